"""What the page draws, as plain coordinates: the template makes SVG of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detector.report.curves import Bin, calibration_bins, roc_points
from detector.report.explanation import told

WIDTH = 600.0  # user units of a drawing
SIDE = 200.0  # of a curve
_MARGIN = 12.0
MOST_STRIPS = 12


@dataclass(frozen=True)
class Strip:
    """One reading: where this network and the known ones lie, in user units from the left."""

    name: str
    value: str
    own: float
    clean: tuple[float, ...]
    poisoned: tuple[float, ...]
    low: str
    high: str
    summary: str


@dataclass(frozen=True)
class Bar:
    """The accuracy of one pruned variant: its place and height in user units, and what it says."""

    x: float
    width: float
    height: float
    text: str


@dataclass(frozen=True)
class Curves:
    """What a bundle is worth, drawn: the points of its ROC in a square of `SIDE`, y downwards, and its calibration."""

    roc: tuple[tuple[float, float], ...]
    bins: tuple[Bin, ...]


def curves(answers: Mapping[str, Sequence[float]] | None) -> Curves | None:
    """Of answers to clean and to poisoned networks that were held out; None unless there are both."""
    if answers is None or not answers["clean"] or not answers["poisoned"]:
        return None
    probabilities = np.array([*answers["clean"], *answers["poisoned"]], dtype=np.float64)
    labels = np.repeat([0, 1], [len(answers["clean"]), len(answers["poisoned"])])
    points = ((SIDE * alarms, SIDE * (1 - hits)) for alarms, hits in roc_points(probabilities, labels))
    return Curves(tuple(points), tuple(calibration_bins(probabilities, labels)))


def strips(contributions: Sequence[Mapping[str, Any]]) -> list[Strip]:
    """Of the weightiest readings that known networks are kept of."""
    kept = [one for one in weightiest_first(contributions) if one["clean"] or one["poisoned"]]
    return [_strip(one) for one in kept[:MOST_STRIPS]]


def weightiest_first(contributions: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those that decided most, either way, come first."""
    return sorted(
        contributions, key=lambda one: -abs(one["pull"] if one["pull"] is not None else one["contribution"] or 0)
    )


def _strip(one: Mapping[str, Any]) -> Strip:
    own: float = one["value"]
    values = [own, *one["clean"], *one["poisoned"]]
    low, high = min(values), max(values)
    unit = (WIDTH - 2 * _MARGIN) / ((high - low) or 1.0)
    clean, poisoned = (tuple(_MARGIN + (value - low) * unit for value in one[side]) for side in ("clean", "poisoned"))
    return Strip(
        one["name"],
        told(own),
        _MARGIN + (own - low) * unit,
        clean,
        poisoned,
        told(low),
        told(high),
        f"{_below(one['clean'], own)} clean and {_below(one['poisoned'], own)} poisoned ones read less",
    )


def _below(values: Sequence[float], own: float) -> str:
    return f"{sum(value < own for value in values)} of {len(values)}"


def bars(accuracies: Sequence[float], height: float) -> list[Bar]:
    """Of the accuracy of each pruned variant, from 0 to 1."""
    step = WIDTH / max(len(accuracies), 1)
    return [
        Bar(number * step, step * 0.8, min(max(value, 0.0), 1.0) * height, f"variant {number + 1}: {value:.1%}")
        for number, value in enumerate(accuracies)
    ]
