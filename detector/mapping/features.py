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

from detector.mapping.signals import CLASSIFIER_STATISTICS, PER_VARIANT, Signal

Array = NDArray[np.float64]


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
    signals: Sequence[Signal], reduction: Reduction, variants: Sequence[Array], classifier: Array
) -> Array:
    """The features (M, length) of M models, signal by signal in the order of `signals`, in each theta by theta.

    Parameters
    ----------
    variants
        For each theta readings (M, |S|, F), the columns in the order of PER_VARIANT: all of them, whatever `signals`
        asks for.
    classifier
        Statistics of the classifier's weights, (M, K); they are features as they are.
    """
    parts = [part for signal in signals for part in _features(signal, reduction, variants, classifier)]
    return np.concatenate(parts, axis=1)


def _features(signal: Signal, reduction: Reduction, variants: Sequence[Array], classifier: Array) -> list[Array]:
    if signal is Signal.CLASSIFIER_WEIGHTS:
        return [classifier]
    readings = [one[:, :, PER_VARIANT.index(signal)] for one in variants]
    if reduction is Reduction.VARIANTS:
        return readings
    return [np.stack([_STATISTICS[name](one) for name in _REDUCED[reduction]], axis=1) for one in readings]


def feature_vector(
    signals: Sequence[Signal], reduction: Reduction, variants: Sequence[Array], classifier: Array
) -> Array:
    """The features (length,) of one model, from its readings (|S|, F) under each theta and its statistics (K,)."""
    vector: Array = feature_matrix(signals, reduction, [one[None] for one in variants], classifier[None])[0]
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
        for prefix, ending in (
            [("", name) for name in CLASSIFIER_STATISTICS] if signal is Signal.CLASSIFIER_WEIGHTS else measured
        )
    )
