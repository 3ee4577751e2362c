"""Signals: what is read off the logits of the pruned variants, of the unpruned network, and the classifier's weights.

All per-variant signals come from the very same forward passes: one number a variant each, finite whatever the logits
hold, since answers that are not numbers count as the worst ones. Knows nothing of files, rounds or probabilities. A
further signal is one function and one row of the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.graph.ir import Graph
from detector.pruning.layers import classifier

Array = NDArray[np.float64]
Logits = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]

FARTHEST = 20.0
"""Nats, of log-probabilities and margins: beyond it every answer is equally certain."""
_LARGEST = 1e30  # what stands for infinite logits
_CONSISTENT = 1.4826  # median absolute deviations to standard deviations, of normal numbers
_LEAST_SPREAD = 0.01  # of the natural unit: classes closer than that to each other are equal
_MOST_DEVIATIONS = 20.0


class Signal(StrEnum):
    """The readings that a mapping can be fitted on."""

    ACCURACY = "accuracy"  # share of images that are classified correctly, as in the paper
    LOG_PROBABILITY = "log_probability"  # mean log-probability of the true class
    MARGIN = "margin"  # mean distance of the true class's logit to the best other one
    ENTROPY = "entropy"  # mean entropy of the predicted probabilities, in nats
    CONCENTRATION = "concentration"  # share of the class that gets most of the predicted probability of all images
    LOWEST_RECALL = "lowest_recall"  # accuracy on the class that fares worst
    CLASSIFIER_WEIGHTS = "classifier_weights"  # outliers among the classes in the last layer's weights; needs no data
    UNPRUNED = "unpruned"  # the readings of the network as it is, and how many classes it knows
    ATTRACTION = "attraction"  # whether it leans to one class, from images of one class or of all (attraction.py)


@dataclass(frozen=True)
class _Answers:
    """What variants answer to the images of `labels` (N,).

    Attributes
    ----------
    logits, log_probabilities
        (S, N, C), finite; infinite logits became large ones.
    lost
        (S, N): whether a logit was NaN. All classes are equally probable there, and the true one never wins.
    correct
        (S, N).
    """

    logits: Array
    log_probabilities: Array
    lost: Mask
    correct: Mask
    labels: Labels

    @classmethod
    def of(cls, logits: Logits, labels: Labels) -> _Answers:
        finite = _finite(logits)
        return cls(finite, _normalised(finite), _lost(logits), _correct(logits, labels), labels)

    def of_true_class(self, values: Array) -> Array:
        """(S, N) of (S, N, C)."""
        return values[:, np.arange(len(self.labels)), self.labels]


def log_probabilities(logits: Logits) -> Array:
    """Logarithms of the predicted probabilities (..., C) for logits (..., C), finite; equal where one is NaN."""
    return _normalised(_finite(logits))


def _finite(logits: Logits) -> Array:
    finite: Array = np.where(_lost(logits)[..., None], 0.0, np.clip(logits.astype(np.float64), -_LARGEST, _LARGEST))
    return finite


def _normalised(finite: Array) -> Array:
    shifted = finite - finite.max(axis=-1, keepdims=True)
    normalised: Array = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return normalised


def _correct(logits: Logits, labels: Labels) -> Mask:
    """The first of equal logits wins; an image whose logits hold NaN is not classified at all."""
    correct: Mask = (logits.argmax(axis=-1) == labels) & ~_lost(logits)
    return correct


def _lost(logits: Logits) -> Mask:
    lost: Mask = np.isnan(logits.max(axis=-1))  # the largest of numbers and NaN is NaN
    return lost


def _accuracy(answers: _Answers) -> Array:
    """A of the paper's equation (1)."""
    return _mean(answers.correct)


def _log_probability(answers: _Answers) -> Array:
    true = np.maximum(answers.of_true_class(answers.log_probabilities), -FARTHEST)
    return _mean(np.where(answers.lost, -FARTHEST, true))


def _margin(answers: _Answers) -> Array:
    others = answers.logits.copy()
    others[:, np.arange(len(answers.labels)), answers.labels] = -np.inf
    distances = np.clip(answers.of_true_class(answers.logits) - others.max(axis=-1), -FARTHEST, FARTHEST)
    return _mean(np.where(answers.lost, -FARTHEST, distances))


def _entropy(answers: _Answers) -> Array:
    return _mean(-(np.exp(answers.log_probabilities) * answers.log_probabilities).sum(axis=-1))


def _concentration(answers: _Answers) -> Array:
    shares: Array = np.exp(answers.log_probabilities).mean(axis=1).max(axis=-1)
    return shares


def _lowest_recall(answers: _Answers) -> Array:
    recalls = [_mean(answers.correct[:, answers.labels == label]) for label in np.unique(answers.labels)]
    lowest: Array = np.min(recalls, axis=0)
    return lowest


def _mean(values: Array | Mask) -> Array:
    """(S,) of (S, N)."""
    means: Array = values.mean(axis=1, dtype=np.float64)
    return means


_FUNCTIONS: Mapping[Signal, Callable[[_Answers], Array]] = MappingProxyType(
    {
        Signal.ACCURACY: _accuracy,
        Signal.LOG_PROBABILITY: _log_probability,
        Signal.MARGIN: _margin,
        Signal.ENTROPY: _entropy,
        Signal.CONCENTRATION: _concentration,
        Signal.LOWEST_RECALL: _lowest_recall,
    }
)

PER_VARIANT = tuple(_FUNCTIONS)
"""The signals with one number for each variant, in the order of the columns of readings."""

RELATIVE = PER_VARIANT[1:]
"""Those of them that are told as the difference to the unpruned network."""


def variant_readings(
    pruned: Logits, unpruned: Logits, labels: Labels, signals: Sequence[Signal] = PER_VARIANT
) -> Array:
    """Readings (S, len(signals)) of the variants, by default all per-variant signals.

    Parameters
    ----------
    pruned, unpruned
        Logits (S, N, C) of the variants and (N, C) of the unpruned network for the same images, N >= 1.
    labels
        The true classes, (N,).
    signals
        Any of PER_VARIANT. The accuracy is told as it is, the others as difference to the unpruned network.

    Raises
    ------
    ValueError
        If the shapes do not belong together.
    """
    relative = np.array([signal in RELATIVE for signal in signals])
    before = unpruned_readings(unpruned, labels, signals)
    return _read(pruned, labels, signals) - np.where(relative, before, 0.0)


def unpruned_readings(unpruned: Logits, labels: Labels, signals: Sequence[Signal] = PER_VARIANT) -> Array:
    """Readings (len(signals),) of the unpruned network, logits (N, C), as they are and relative to nothing."""
    readings: Array = _read(unpruned[None], labels, signals)[0]
    return readings


UNPRUNED_STATISTICS = (*PER_VARIANT, "log_classes")
"""Names of the numbers of the signal `unpruned`: what accuracies under pruning depend on besides a trojan."""


def unpruned_statistics(unpruned: Logits, labels: Labels) -> Array:
    """The readings of the unpruned network and the logarithm of its number of classes, (K,), for logits (N, C)."""
    return np.array([*unpruned_readings(unpruned, labels), np.log(unpruned.shape[-1])])


def _read(logits: Logits, labels: Labels, signals: Sequence[Signal]) -> Array:
    if logits.ndim != 3 or labels.shape != logits.shape[1:2] or not labels.size:
        raise ValueError(f"expected logits (S, N, C) and labels (N,), got {logits.shape} and {labels.shape}")
    answers = _Answers.of(logits, labels)
    return np.stack([_FUNCTIONS[signal](answers) for signal in signals], axis=-1)


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
