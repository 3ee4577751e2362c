"""The signal `classifier_weights`: outliers among the classes in the weights of the last layer; needs no image.

A trojan whose target class was trained with extra data may leave it with larger weights than the others. Reads weights,
which may be anything: numbers that are not finite count as 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.graph.ir import Graph
from detector.pruning.layers import classifier
from detector.signals.answers import Array, Logits
from detector.signals.registry import SIGNALS, Context, ModelSignal, Scope

_CONSISTENT = 1.4826  # median absolute deviations to standard deviations, of normal numbers
_LEAST_SPREAD = 0.01  # of the natural unit: classes closer than that to each other are equal
_MOST_DEVIATIONS = 20.0

CLASSIFIER_STATISTICS = (
    "largest_sum",
    "smallest_sum",
    "sum_gap",
    "largest_norm",
    "smallest_norm",
    "norm_gap",
)
"""Names of the K numbers of the signal `classifier_weights`."""


def classifier_statistics(weight: Logits, bias: Logits | None = None) -> Array:
    """Outliers among the classes in the weights of the last layer: (K,), in the order of CLASSIFIER_STATISTICS.

    Of the sum of each class's weights and of their L2 norm: how far the largest and the smallest class lie from the
    median, and the largest from the second, in robust standard deviations over the classes (median absolute deviation,
    which is at least a hundredth of a natural unit, so that equal classes do not divide by zero). At most 20 of them.

    Parameters
    ----------
    weight
        (C, F), or (C, F, 1, 1) of a convolution. Numbers that are not finite count as 0.
    bias
        (C,), one more weight of each class where it is given.
    """
    rows = weight.reshape(len(weight), -1).astype(np.float64)
    rows = rows if bias is None else np.column_stack([rows, bias])
    rows = np.where(np.isfinite(rows), rows, 0.0)
    norms = np.sqrt((rows**2).sum(axis=1))
    # A sum of F independent weights spreads by as much as the norm is long: one unit serves both.
    unit = float(np.median(norms))
    return np.array([*_outliers(rows.sum(axis=1), unit), *_outliers(norms, unit)])


def _outliers(values: Array, unit: float) -> tuple[float, float, float]:
    """Largest, smallest, and the gap of the largest to the second, in robust standard deviations."""
    deviations = values - np.median(values)
    spread = max(_CONSISTENT * float(np.median(np.abs(deviations))), _LEAST_SPREAD * unit)
    ordered = np.clip(np.sort(deviations) / (spread or 1.0), -_MOST_DEVIATIONS, _MOST_DEVIATIONS)
    return float(ordered[-1]), float(ordered[0]), float(ordered[-1] - ordered[-2:][0])


def model_statistics(graph: Graph, arrays: Mapping[str, NDArray[Any]]) -> Array:
    """`classifier_statistics` (K,) of a network given by its reference graph and the arrays of its state dict."""
    module = classifier(graph).module
    return classifier_statistics(arrays[f"{module}.weight"], arrays.get(f"{module}.bias"))


def _read(context: Context) -> Array:
    return model_statistics(context.graph, context.arrays)


CLASSIFIER_WEIGHTS = ModelSignal(
    "classifier_weights",
    1,
    Scope.NETWORK,
    CLASSIFIER_STATISTICS,
    _read,
    "outliers among the classes in the last layer's weights, which needs no pruning",
)
SIGNALS.add(CLASSIFIER_WEIGHTS)
