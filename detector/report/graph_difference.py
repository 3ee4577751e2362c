"""Where the graph of a file differs from its reference, as a drawing: layers side by side, and the place of each.

Only what quality assurance has found is drawn. The reference is ours; paths and values come from the file, so they are
text of a bounded length and nothing else: a path that no layer of the reference has is drawn where it would stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from detector.architectures import ARCHITECTURES
from detector.graph.ir import Graph
from detector.graph.reference import reference_graph

MOST_PLACES = 30  # that are drawn; the rest is counted
_MOST_LINES = 3  # of one place
_CHARACTERS = 40  # of a line in a box
_AROUND = 1  # equal layers shown on either side of a place
_NOTHING = "nothing"
LINE, GAP = 17.0, 8.0  # user units: a line of text, and between boxes


class Mark(StrEnum):
    """How the two sides of a row differ."""

    SAME = "same"
    CHANGED = "changed"
    MISSING = "missing"
    ADDED = "added"
    SKIPPED = "skipped"  # equal layers that are not drawn


@dataclass(frozen=True)
class Row:
    """One box on either side, in user units from the top; a side without lines has no box."""

    mark: Mark
    reference: tuple[str, ...]
    file: tuple[str, ...]
    top: float
    height: float


@dataclass(frozen=True)
class Drawing:
    """The rows; `ticks` are the places among all layers, in [0, 1]; `table` holds every difference as words."""

    architecture: str
    rows: tuple[Row, ...]
    height: float
    ticks: tuple[float, ...]
    num_layers: int
    num_differences: int
    not_drawn: int
    table: tuple[Mapping[str, str], ...]


def drawing(findings: Iterable[Mapping[str, Any]]) -> Drawing | None:
    """Of the findings of a report as JSON; None where none tells differences from a reference that is known."""
    for finding in findings:
        evidence = finding["evidence"]
        differences, name = evidence.get("differences"), evidence.get("nearest")
        if isinstance(differences, list) and differences and name in ARCHITECTURES:
            table = tuple({key: str(one[key]) for key in ("path", "what", "expected", "found")} for one in differences)
            return _drawing(reference_graph(name), table, int(evidence["num_deviations"]))
    return None


def _drawing(graph: Graph, table: Sequence[Mapping[str, str]], total: int) -> Drawing:
    layers = _layers(graph)
    names = [name for name, _ in layers]
    places: dict[tuple[float, str], list[Mapping[str, str]]] = {}
    for one in table:
        place = _layer_path(one["path"], names)
        places.setdefault((_position(place, names), place), []).append(one)
    drawn = sorted(places.items(), key=lambda item: item[0][0])
    rows = _stacked(list(_rows(layers, drawn[:MOST_PLACES])))
    height = rows[-1].top + rows[-1].height
    ticks = tuple(min(max(position / max(len(layers) - 1, 1), 0.0), 1.0) for (position, _), _ in drawn)
    not_drawn = total - sum(len(ones) for _, ones in drawn[:MOST_PLACES])
    return Drawing(graph.architecture, rows, height, ticks, len(layers), total, not_drawn, tuple(table))


def _layers(graph: Graph) -> list[tuple[str, str]]:
    """Path and operation of each module of the graph, in the order of execution."""
    return list({node.module: str(node.op) for node in graph.nodes if node.module}.items())


def _layer_path(path: str, names: Sequence[str]) -> str:
    """The layer that a path means: that of a tensor is its layer's."""
    return path if path in names else next((name for name in names if path.startswith(f"{name}.")), path)


def _position(path: str, names: Sequence[str]) -> float:
    """Where a layer stands among those of the reference; one that it lacks stands behind its nearest relatives."""
    if path in names:
        return float(names.index(path))
    if not path:
        return -0.5
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        start = ".".join(parts[:length])
        relatives = [number for number, name in enumerate(names) if f"{name}.".startswith(f"{start}.")]
        if relatives:
            return relatives[-1] + 0.5
    return len(names) - 0.5


_Boxes = tuple[Mark, tuple[str, ...], tuple[str, ...]]


def _rows(
    layers: Sequence[tuple[str, str]], places: Sequence[tuple[tuple[float, str], Sequence[Mapping[str, str]]]]
) -> Iterable[_Boxes]:
    """The places with equal layers around them, and how many are left out between."""
    by_number = {int(position): ones for (position, _), ones in places if position == int(position)}
    between = [(position, path, ones) for (position, path), ones in places if position != int(position)]
    shown = {number + step for number in by_number for step in range(-_AROUND, _AROUND + 1)}
    shown |= {int(position + 0.5) + step for position, _, _ in between for step in (-1, 0)}
    skipped = 0
    for number, (path, op) in enumerate([*layers, ("", "")]):
        here = [item for item in between if number - 1 < item[0] < number]
        if skipped and (here or number in shown):
            yield _gap(skipped)
            skipped = 0
        for _, added, ones in here:
            yield _changed(added, "", ones)
        if number == len(layers):
            break
        if number in by_number:
            yield _changed(path, op, by_number[number])
        elif number in shown:
            yield Mark.SAME, (_cut(f"{path} {op}"),), (_cut(f"{path} {op}"),)
        else:
            skipped += 1
    if skipped:
        yield _gap(skipped)


def _gap(count: int) -> _Boxes:
    words = f"{count} layer{'s' if count > 1 else ''} alike"
    return Mark.SKIPPED, (words,), (words,)


def _changed(path: str, op: str, ones: Sequence[Mapping[str, str]]) -> _Boxes:
    title = _cut(f"{path or 'the whole network'} {op}".strip())
    reference, file = _side(ones, "expected"), _side(ones, "found")
    if all(one["found"] == _NOTHING for one in ones):
        return Mark.MISSING, (title, *reference), ()
    if all(one["expected"] == _NOTHING for one in ones):
        return Mark.ADDED, (), (title, *file)
    return Mark.CHANGED, (title, *reference), (title, *file)


def _side(ones: Sequence[Mapping[str, str]], key: str) -> tuple[str, ...]:
    lines = [_cut(f"{one['what']}: {one[key]}") for one in ones[:_MOST_LINES]]
    rest = len(ones) - _MOST_LINES
    return (*lines, f"and {rest} more") if rest > 0 else tuple(lines)


def _cut(text: str) -> str:
    return text if len(text) <= _CHARACTERS else f"{text[: _CHARACTERS - 3]}..."


def _stacked(boxes: Sequence[_Boxes]) -> tuple[Row, ...]:
    rows, top = [], 0.0
    for mark, reference, file in boxes:
        height = LINE * max(len(reference), len(file)) + GAP
        rows.append(Row(mark, reference, file, top, height))
        top += height + GAP
    return tuple(rows)
