"""Curves of answers, as points to draw: ROC and calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
BINS = 5


@dataclass(frozen=True)
class Bin:
    """Models of like probability: the mean of what was answered, the share that is poisoned, and how many they are."""

    answered: float
    poisoned: float
    num_models: int


def roc_points(probabilities: Array, labels: Labels) -> list[tuple[float, float]]:
    """False and true positive rates from (0, 0) to (1, 1), one point for each different answer (N,) of both classes.

    Answers that differ by rounding alone are different: whoever has such rounds them first.
    """
    thresholds = np.unique(probabilities)[::-1]
    rates = [
        (np.mean(probabilities[labels == 0] >= at), np.mean(probabilities[labels == 1] >= at)) for at in thresholds
    ]
    return [(0.0, 0.0), *((float(alarms), float(hits)) for alarms, hits in rates)]


def calibration_bins(probabilities: Array, labels: Labels, bins: int = BINS) -> list[Bin]:
    """Answers (N,) in bins of equal width over [0, 1], those that hold any model."""
    places = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    return [
        Bin(float(probabilities[places == at].mean()), float(labels[places == at].mean()), int(np.sum(places == at)))
        for at in np.unique(places)
    ]
