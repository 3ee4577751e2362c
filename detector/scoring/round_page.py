"""An evaluation as one page of HTML: scores, curves, worst answers, and a table that sorts itself without a server.

Names come from hostile files and folders: every text is escaped by Jinja2, and the page forbids itself to load
anything, or to run any script but the one that sorts, which is known by its checksum.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from detector.base.text import printable
from detector.learning.evaluation.metrics import cross_entropies
from detector.learning.evaluation.rounding import rounded
from detector.report.curves import calibration_bins, roc_points
from detector.rounds.reading import LeftOut
from detector.scoring.answers import Answer
from detector.scoring.few import few_models
from detector.scoring.metrics import RoundMetrics, probabilities_and_labels
from detector.scoring.terms import Terms
from detector.scoring.text import cheaper_text

_COLUMNS = (
    "model",
    "architecture",
    "truth",
    "probability",
    "verdict",
    "basis",
    "seconds",
    "exit code",
    "trigger",
    "source classes",
    "findings",
    "error",
)
_WORST = 10
_SCRIPT = """
for (const [column, head] of document.querySelectorAll("#models th").entries()) {
  head.firstChild.addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") !== "ascending";
    const body = document.querySelector("#models tbody");
    const text = row => row.cells[column].textContent;
    const order = (a, b) => text(a).localeCompare(text(b), "en", {numeric: true});
    body.append(...[...body.rows].sort((a, b) => up ? order(a, b) : order(b, a)));
    for (const other of head.parentNode.cells) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
  });
}
"""


@dataclass(frozen=True)
class Bar:
    """A name, the length of its bar as a share of the longest, and what stands beside it."""

    name: str
    share: float
    text: str


@dataclass(frozen=True)
class Chart:
    """Bars under a title."""

    title: str
    bars: tuple[Bar, ...]


def round_page(terms: Terms, answers: Sequence[Answer], metrics: RoundMetrics, remarks: Sequence[LeftOut]) -> str:
    """A self-contained page; of answers without known truth the table alone."""
    known = [answer for answer in answers if answer.truth is not None]
    template = _environment().get_template("round.html.j2")
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    return template.render(
        terms=terms,
        metrics=metrics,
        answers=answers,
        remarks=remarks,
        columns=_COLUMNS,
        few=_few(metrics),
        cheaper=cheaper_text(metrics),
        roc=_polyline(known) if metrics.scores is not None and metrics.scores.roc_auc is not None else "",
        bins=calibration_bins(*probabilities_and_labels(known)) if known else (),
        charts=_charts(metrics),
        worst=_worst(known),
        script=Markup(_SCRIPT),
        script_hash=f"sha256-{digest}",
    )


def _few(metrics: RoundMetrics) -> str | None:
    scores = metrics.scores
    if scores is None:
        return None
    return few_models(scores.num_poisoned, scores.num_models - scores.num_poisoned, scores.accuracy)


def _environment() -> Environment:
    """What is shown is `printable` in the end, whatever it was: no marks that reverse the direction of writing."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=lambda shown: printable(shown) if isinstance(shown, str) and not isinstance(shown, Markup) else shown,
    )


def _polyline(known: Sequence[Answer]) -> Markup:
    """In the coordinates of the template: 200 units either way, (0, 0) at (30, 210)."""
    probabilities, labels = probabilities_and_labels(known)
    points = roc_points(rounded(probabilities), labels)
    return Markup(" ".join(f"{30 + 200 * alarms:.1f},{210 - 200 * hits:.1f}" for alarms, hits in points))  # numbers


def _charts(metrics: RoundMetrics) -> tuple[Chart, ...]:
    losses = {name: scores.cross_entropy for name, scores in metrics.by_architecture.items()}
    seconds = {name: runtime.mean for name, runtime in metrics.runtime_by_architecture.items()}
    return _chart("Cross-entropy", losses, "{:.3f}"), _chart("Mean seconds a model", seconds, "{:.1f}")


def _chart(title: str, numbers: Mapping[str, float], form: str) -> Chart:
    longest = max(numbers.values(), default=0.0) or 1.0
    return Chart(title, tuple(Bar(name, number / longest, form.format(number)) for name, number in numbers.items()))


def _worst(known: Sequence[Answer]) -> list[Answer]:
    """The answers of the largest cross-entropy, those worse than 0.5 alone."""
    losses = dict(zip(known, cross_entropies(*probabilities_and_labels(known)).tolist(), strict=True)) if known else {}
    wrong = [answer for answer in known if (answer.probability > 0.5) != answer.truth or answer.probability == 0.5]
    return sorted(wrong, key=lambda answer: (-losses[answer], answer.model))[:_WORST]
