"""The signal `attraction`: whether the network leans to one class without reason, from images of one class or of all.

A trojan that turns images of a source class into the target class leaves a trace without its trigger: images of the
source class get more probability of the target than both classes explain. The table of mean log-probabilities, true
class by answered class, is taken apart into what the true class does, what the answered class does, and what is left of
each pair; outliers among pairs and among answered classes are the statistics. They need no pruning and no further
forward pass, and stand beside the paper's accuracies, not in their place. Reads logits, which may hold anything. The
table has rows for the classes with images alone: time and memory grow with the logits, not with all pairs of classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.signals.answers import FARTHEST, Labels, Logits, log_probabilities
from detector.signals.registry import SIGNALS, Context, ModelSignal, Scope

Array = NDArray[np.float64]

ATTRACTION_STATISTICS = (
    "largest_pair",
    "pair_gap",
    "pair_deviation",
    "pair_outlier",
    "largest_class",
    "class_gap",
    "class_deviation",
    "class_outlier",
)
"""Names of the numbers of the signal `attraction`."""

_STEPS = 50  # of the alternating fit; with images of all C classes each leaves 1 / (C - 1)^2 of the error
_LEAST_DEVIATION = 0.02  # nats, so that outliers among equals are none


@dataclass(frozen=True)
class Attraction:
    """The table taken apart, in nats.

    Attributes
    ----------
    pairs
        (B, C), true class by answered class: what is left of each pair; NaN where they are the same.
    classes
        How much each class is answered beyond the others, without those that only images of their own class could tell
        of; the mean is 0.
    sources
        The true classes, those with images, ascending, (B,).
    """

    pairs: Array
    classes: Array
    sources: Labels

    @classmethod
    def of(cls, logits: Logits, labels: Labels) -> Attraction:
        """Of logits (N, C) of the unpruned network for images of the classes `labels` (N,)."""
        answered = np.maximum(log_probabilities(logits), -FARTHEST)
        sources = np.unique(labels)
        table = np.stack([answered[labels == source].mean(axis=0) for source in sources])
        table[np.arange(len(sources)), sources] = np.nan
        return cls(*_taken_apart(table), sources)

    def statistics(self) -> Array:
        """(K,), in the order of ATTRACTION_STATISTICS, all but the outliers in nats.

        Of the pairs, and of the classes: the largest, its distance to the second, the standard deviation, and the
        largest in such deviations; 0 where there is nothing to compare.
        """
        return np.array([*_outliers(self.pairs[~np.isnan(self.pairs)]), *_outliers(self.classes)])


def _taken_apart(table: Array) -> tuple[Array, Array]:
    """Residuals and column effects of an additive model of the rows and columns, least squares by turns."""
    known = ~np.isnan(table)
    values = np.where(known, table, 0.0)
    per_row, per_column = (np.maximum(known.sum(axis=axis), 1) for axis in (1, 0))
    rows, columns = np.zeros(len(table)), np.zeros(table.shape[1])
    told = known.any(axis=0)
    for _ in range(_STEPS):
        rows = np.where(known, values - columns, 0.0).sum(axis=1) / per_row
        columns = np.where(known, values - rows[:, None], 0.0).sum(axis=0) / per_column
        columns[told] -= columns[told].mean() if told.any() else 0.0
    return table - rows[:, None] - columns, columns[told]


def _outliers(values: Array) -> tuple[float, float, float, float]:
    if not len(values):
        return (0.0,) * 4
    ordered, deviation = np.sort(values), float(values.std())
    largest = float(ordered[-1])
    return largest, largest - float(ordered[-2:][0]), deviation, largest / (deviation + _LEAST_DEVIATION)


def _read(context: Context) -> Array:
    return Attraction.of(context.unpruned, context.labels).statistics()


ATTRACTION = ModelSignal(
    "attraction",
    1,
    Scope.NETWORK,
    ATTRACTION_STATISTICS,
    _read,
    "how much the unpruned network leans to one class, from images of one class or of all",
)
SIGNALS.add(ATTRACTION)
