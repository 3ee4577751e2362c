"""The feature vector: how readings become the numbers that a mapping is fitted on and applied to.

The one place that knows their order, used alike for learning and for a detection, so that coefficients always meet
the numbers that they were fitted on. Readings are finite by construction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from detector.signals.attraction import ATTRACTION_STATISTICS
from detector.signals.signals import CLASSIFIER_STATISTICS, PER_VARIANT, UNPRUNED_STATISTICS, Signal

Array = NDArray[np.float64]


PER_MODEL: Mapping[Signal, tuple[str, ...]] = MappingProxyType(
    {
        Signal.CLASSIFIER_WEIGHTS: CLASSIFIER_STATISTICS,
        Signal.UNPRUNED: UNPRUNED_STATISTICS,
        Signal.ATTRACTION: ATTRACTION_STATISTICS,
    }
)
"""The signals that no variant is measured for, with the names of their numbers; they are features as they are."""


class Reduction(StrEnum):
    """What is made of the |S| readings of one signal under one theta."""

    VARIANTS = "variants"  # all of them, one number a variant, as in the paper
    SUMMARY = "summary"  # mean, standard deviation, smallest and largest over the variants
    MEAN = "mean"  # over the variants


_STATISTICS: Mapping[str, Callable[[Array], Array]] = MappingProxyType(
    {
        "mean": lambda readings: readings.mean(axis=1),
        "deviation": lambda readings: readings.std(axis=1),
        "smallest": lambda readings: readings.min(axis=1),
        "largest": lambda readings: readings.max(axis=1),
    }
)
_REDUCED: Mapping[Reduction, tuple[str, ...]] = MappingProxyType(
    {Reduction.SUMMARY: tuple(_STATISTICS), Reduction.MEAN: ("mean",)}
)


def feature_matrix(
    signals: Sequence[Signal], reduction: Reduction, variants: Sequence[Array], statistics: Mapping[Signal, Array]
) -> Array:
    """The features (M, length) of M models, signal by signal in the order of `signals`, in each theta by theta.

    Parameters
    ----------
    variants
        For each theta readings (M, |S|, F), the columns in the order of PER_VARIANT: all of them, whatever `signals`
        asks for.
    statistics
        Of each signal of PER_MODEL that `signals` asks for its numbers, (M, K).
    """
    parts = [part for signal in signals for part in _features(signal, reduction, variants, statistics)]
    return np.concatenate(parts, axis=1)


def _features(
    signal: Signal, reduction: Reduction, variants: Sequence[Array], statistics: Mapping[Signal, Array]
) -> list[Array]:
    if signal in PER_MODEL:
        return [statistics[signal]]
    readings = [one[:, :, PER_VARIANT.index(signal)] for one in variants]
    if reduction is Reduction.VARIANTS:
        return readings
    return [np.stack([_STATISTICS[name](one) for name in _REDUCED[reduction]], axis=1) for one in readings]


def feature_vector(
    signals: Sequence[Signal], reduction: Reduction, variants: Sequence[Array], statistics: Mapping[Signal, Array]
) -> Array:
    """The features (length,) of one model: of its readings (|S|, F) under each theta and its statistics, each (K,)."""
    of_one = {signal: numbers[None] for signal, numbers in statistics.items()}
    vector: Array = feature_matrix(signals, reduction, [one[None] for one in variants], of_one)[0]
    return vector


def feature_names(signals: Sequence[Signal], reduction: Reduction, num_pruned_models: Sequence[int]) -> tuple[str, ...]:
    """A name for each feature, in order, given |S| of each theta: accuracy_00, or theta03_margin_mean of several."""
    measured = [
        (f"theta{number:02d}_" if len(num_pruned_models) > 1 else "", ending)
        for number, count in enumerate(num_pruned_models)
        for ending in _REDUCED.get(reduction) or [f"{variant:02d}" for variant in range(count)]
    ]
    return tuple(
        f"{prefix}{signal}_{ending}"
        for signal in signals
        for prefix, ending in ([("", name) for name in PER_MODEL[signal]] if signal in PER_MODEL else measured)
    )
