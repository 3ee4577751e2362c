"""The report as one page of HTML: self-contained, complete, and safe to open.

Names in a report come from hostile files. Jinja escapes every text, each is made printable first, so that no mark of
writing direction reorders the page, and the page forbids itself to load or run anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from detector.base.errors import printable
from detector.base.findings import Severity
from detector.report.explanation import told, usual_range
from detector.report.graph_difference import LINE, drawing
from detector.report.pictures import Picture, pictures
from detector.report.plots import SIDE, WIDTH, bars, curves, strips, weightiest_first
from detector.report.summary import file_line
from detector.report.verdict import Judgement

_TEMPLATE = "page.html.j2"
_BAR_HEIGHT = 100.0
_ALARMING = (Judgement.POISONED, Judgement.TAMPERED, Judgement.REFUSED)


def page(document: Mapping[str, Any], examples: Path | None = None) -> str:
    """The page of a report as JSON, see `to_document`; with the images in it where their folder is given."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, finalize=_printable, trim_blocks=True)
    environment.filters |= {"told": told, "usual": _usual}
    template = environment.from_string(Path(__file__).with_name(_TEMPLATE).read_text(encoding="utf-8"))
    return template.render(
        report=document,
        tone=_tone(document),
        file=file_line(document),
        findings=_findings(document),
        contributions=weightiest_first(document["contributions"] or []),
        graph=drawing(document["findings"]),
        curves=curves(_held_out_answers(document)),
        strips=strips(document["contributions"] or []),
        bars=bars(_accuracies(document), _BAR_HEIGHT),
        examples=_examples(document, {} if examples is None else pictures(document, examples)),
        probe=_probe(document["strongest_probe"]),
        command=" ".join(document["command"] or []),
        settings={name: json.dumps(value) for name, value in (document["settings"] or {}).items()},
        width=WIDTH,
        side=SIDE,
        line_height=LINE,
        bar_height=_BAR_HEIGHT,
    )


def _printable(value: object) -> object:
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _usual(values: list[float]) -> str:
    return " to ".join(map(told, usual_range(tuple(values)))) if values else "not kept"


def _tone(document: Mapping[str, Any]) -> str:
    judgement = Judgement(document["verdict"]["judgement"])
    if judgement in _ALARMING:
        return "alarming"
    return "calm" if judgement is Judgement.CLEAN else "open"


def _findings(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    order = list(Severity)
    return sorted(document["findings"], key=lambda one: -order.index(Severity(one["severity"])))


def _accuracies(document: Mapping[str, Any]) -> list[float]:
    """Of the pruned variants."""
    return list((document["readings"] or {}).get("accuracy", [])) if document["thetas"] else []


def _held_out_answers(document: Mapping[str, Any]) -> Mapping[str, list[float]] | None:
    """What the bundle answered to networks that it had not seen, where it is kept."""
    held_out = (document["mapping"] or {}).get("held_out") or {}
    answers: Mapping[str, list[float]] | None = held_out.get("answers")
    return answers


def _probe(probe: Mapping[str, Any] | None) -> str:
    if probe is None:
        return ""
    parameters = ", ".join(f"{name} {value}" for name, value in probe.get("parameters", {}).items())
    return f"{probe.get('kind', 'probe')} ({parameters})".replace("_", " ")


def _examples(document: Mapping[str, Any], shown: Mapping[str, Picture]) -> list[dict[str, Any]]:
    """Each answer with its pictures, as data URIs of our own making."""
    return [
        {
            **answer,
            "plain": Markup(shown[answer["file"]].plain) if answer["file"] in shown else None,
            "changed": _marked(shown[answer["file"]].probed) if answer["file"] in shown else None,
        }
        for answer in document["answers"] or []
    ]


def _marked(uri: str | None) -> Markup | None:
    return None if uri is None else Markup(uri)
