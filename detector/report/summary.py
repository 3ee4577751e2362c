"""The verdict on a terminal: at most twelve lines, the verdict first. Made of what report.json holds.

Every text in it is printable and cut to its lines, so that nothing in a model's file can forge, colour or flood it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from detector.base.errors import printable
from detector.report.verdict import Judgement

MOST_LINES = 12
_WIDTH = 111  # characters beside the titles
_TITLE = 9
_LONGEST_NAME = 60
_MOST_REASONS = 3
_COLOURS: Mapping[Judgement, str] = MappingProxyType(
    {
        Judgement.POISONED: "1;31",
        Judgement.CLEAN: "1;32",
        Judgement.UNDECIDED: "1;33",
        Judgement.UNKNOWN_ARCHITECTURE: "1;33",
        Judgement.TAMPERED: "1;31",
        Judgement.REFUSED: "1;31",
        Judgement.NOT_MEASURED: "1;33",
    }
)


def summary_text(document: Mapping[str, Any], *, report: str | None = None, colour: bool = False) -> str:
    """The lines, without a line break at the end.

    Parameters
    ----------
    document
        A report as JSON, as `to_document` makes it.
    report
        Where more can be read: the last line, not wrapped.
    colour
        Whether the headline is coloured for a terminal.
    """
    verdict = document["verdict"]
    file, trust = _section("File", [file_line(document)], 1), _section("Trust", verdict["trust"][:3], 3)
    following = _section("Next", verdict["next_steps"][:2], 2)
    room = MOST_LINES - 2 - len([*file, *trust, *following])  # headline and last line
    lines = [
        _headline(verdict, colour=colour),
        *file,
        *_section("Why", _fitting(verdict["reasons"][:_MOST_REASONS], room), room),
        *trust,
        *following,
    ]
    return "\n".join(lines if report is None else [*lines, f"{'Report':<{_TITLE}}{printable(report)}"])


def _headline(verdict: Mapping[str, Any], *, colour: bool) -> str:
    word = printable(verdict["headline"])
    shown = f"\x1b[{_COLOURS[Judgement(verdict['judgement'])]}m{word}\x1b[0m" if colour else word
    return f"{shown}  {printable(verdict['meaning'])}"


def file_line(document: Mapping[str, Any]) -> str:
    """What the file is."""
    model = document["model"]
    if model is None:
        return "not read"
    name = printable(model["file"])
    name = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."
    network = f"{_architecture(document)}, {model['num_classes'] or '?'} classes"
    bundle = "" if document["mapping"] is None else f"; judged by the bundle {printable(document['mapping']['bundle'])}"
    return f"{name}: {network}; {model['kind']} in {model['format']} format, {model['bytes'] / 1e6:.1f} MB{bundle}"


def _architecture(document: Mapping[str, Any]) -> str:
    findings = ((one["code"], one["evidence"]) for one in document["findings"])
    return architecture_in_words(document["model"]["architecture"], findings)


def architecture_in_words(architecture: str | None, findings: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    """The known one; of a network that was changed, the one that it was. `findings` are codes with their evidence."""
    if architecture:
        return str(architecture)
    changed = [evidence.get("nearest") for code, evidence in findings if code == "graph_deviates"]
    return f"changed {printable(changed[0])}" if changed and changed[0] else "unknown architecture"


def _fitting(entries: Sequence[str], most: int) -> Sequence[str]:
    """The first entries that fit into `most` lines as a whole; the very first one always."""
    count, lines = 0, 0
    for entry in entries:
        lines += len(textwrap.wrap(printable(entry), _WIDTH, subsequent_indent="  "))
        if lines > most:
            break
        count += 1
    return entries[: max(count, 1)]


def _section(title: str, entries: Sequence[str], most: int) -> list[str]:
    """The entries in a column beside the title, in `most` lines; what is left over goes to the first."""
    spare, lines = most - len(entries), list[str]()
    for entry in entries:
        wrapper = textwrap.TextWrapper(_WIDTH, subsequent_indent="  ", max_lines=1 + spare, placeholder=" ...")
        wrapped = wrapper.wrap(printable(entry)) or [""]
        spare -= len(wrapped) - 1
        lines += wrapped
    return [f"{title if number == 0 else '':<{_TITLE}}{line}" for number, line in enumerate(lines)]
