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
    """What is made of the |S| readings of one signal."""

    VARIANTS = "variants"  # all of them, one number a variant, as in the paper
    SUMMARY = "summary"  # mean, standard deviation, smallest and largest over the variants


_SUMMARY: Mapping[str, Callable[[Array], Array]] = MappingProxyType(
    {
        "mean": lambda readings: readings.mean(axis=1),
        "deviation": lambda readings: readings.std(axis=1),
        "smallest": lambda readings: readings.min(axis=1),
        "largest": lambda readings: readings.max(axis=1),
    }
)


def feature_matrix(signals: Sequence[Signal], reduction: Reduction, variants: Array, classifier: Array) -> Array:
    """The features (M, length) of M models, signal by signal in the order of `signals`.

    Parameters
    ----------
    variants
        Readings (M, |S|, F), the columns in the order of PER_VARIANT: all of them, whatever `signals` asks for.
    classifier
        Statistics of the classifier's weights, (M, K); they are features as they are.
    """
    parts = [_features(signal, reduction, variants, classifier) for signal in signals]
    return np.concatenate(parts, axis=1)


def _features(signal: Signal, reduction: Reduction, variants: Array, classifier: Array) -> Array:
    if signal is Signal.CLASSIFIER_WEIGHTS:
        return classifier
    readings = variants[:, :, PER_VARIANT.index(signal)]
    if reduction is Reduction.VARIANTS:
        return readings
    return np.stack([function(readings) for function in _SUMMARY.values()], axis=1)


def feature_vector(signals: Sequence[Signal], reduction: Reduction, variants: Array, classifier: Array) -> Array:
    """The features (length,) of one model, from its readings (|S|, F) and statistics (K,)."""
    vector: Array = feature_matrix(signals, reduction, variants[None], classifier[None])[0]
    return vector


def feature_names(signals: Sequence[Signal], reduction: Reduction, num_pruned_models: int) -> tuple[str, ...]:
    """A name for each feature, in order, such as accuracy_00 or margin_mean."""
    summary = reduction is Reduction.SUMMARY
    endings = tuple(_SUMMARY) if summary else tuple(f"{variant:02d}" for variant in range(num_pruned_models))
    return tuple(
        f"{signal}_{ending}"
        for signal in signals
        for ending in (CLASSIFIER_STATISTICS if signal is Signal.CLASSIFIER_WEIGHTS else endings)
    )
