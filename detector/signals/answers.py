"""What networks answer, made ready for signals: finite whatever the logits hold, the worst answer where they are NaN.

Shared by the signals; knows nothing of files, rounds or probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Logits = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]

FARTHEST = 20.0
"""Nats, of log-probabilities and margins: beyond it every answer is equally certain."""
_LARGEST = 1e30  # what stands for infinite logits


@dataclass(frozen=True)
class Answers:
    """What S networks answer to the images of `labels` (N,).

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
    def of(cls, logits: Logits, labels: Labels) -> Answers:
        """Of logits (S, N, C); ValueError if the shapes do not belong together, or without an image."""
        if logits.ndim != 3 or labels.shape != logits.shape[1:2] or not labels.size:
            raise ValueError(f"expected logits (S, N, C) and labels (N,), got {logits.shape} and {labels.shape}")
        finite = _finite(logits)
        return cls(finite, _normalised(finite), _lost(logits), _correct(logits, labels), labels)

    def of_true_class(self, values: Array) -> Array:
        """(S, N) of (S, N, C)."""
        return values[:, np.arange(len(self.labels)), self.labels]


def log_probabilities(logits: Logits) -> Array:
    """Logarithms of the predicted probabilities (..., C) for logits (..., C), finite; equal where one is NaN."""
    return _normalised(_finite(logits))


def mean_over_images(values: Array | Mask) -> Array:
    """(S,) of (S, N)."""
    means: Array = values.mean(axis=1, dtype=np.float64)
    return means


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
