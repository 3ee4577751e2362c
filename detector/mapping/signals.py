"""Signals: what is read off the logits of the pruned variants, as one vector of numbers for the mapping.

Knows nothing of files, rounds or probabilities. A further signal is one function and one row of the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


class Signal(StrEnum):
    """The readings that a mapping can be fitted on."""

    ACCURACY = "accuracy"


def measure(signal: Signal, logits: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> Vector:
    """The vector of `signal`: float64 of shape (|S| * features(signal),), variant by variant.

    `logits` has shape (|S|, N, C), `labels` (N,); N >= 1.
    """
    if logits.ndim != 3 or labels.shape != logits.shape[1:2] or not labels.size:
        raise ValueError(f"expected logits (S, N, C) and labels (N,), got {logits.shape} and {labels.shape}")
    return _TABLE[signal].function(logits, labels)


def features(signal: Signal) -> int:
    """How many numbers the signal yields for each variant."""
    return _TABLE[signal].features


def accuracies(logits: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> Vector:
    """The share of the images that each variant classifies correctly, A of the paper's equation (1).

    The first of equal logits wins; an image whose logits hold NaN is not classified at all.
    """
    correct = (logits.argmax(axis=-1) == labels) & ~np.isnan(logits).any(axis=-1)
    shares: Vector = correct.mean(axis=-1, dtype=np.float64)
    return shares


@dataclass(frozen=True)
class _Row:
    features: int
    function: Callable[[NDArray[np.floating[Any]], NDArray[np.int64]], Vector]


_TABLE: Mapping[Signal, _Row] = MappingProxyType({Signal.ACCURACY: _Row(1, accuracies)})
