"""Fits the mapping `any_of` (detector/mapping/any_of.py) by penalised maximum likelihood.

All causes share one offset and one slope: what differs between them is the unit, the spread of clean networks. So
three numbers are fitted, however many causes there are, and a kind of trigger that the fit has not seen counts as much
as the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from detector.mapping.any_of import AnyOf, Cause

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

LEAST_SPREAD = 1e-3  # readings are shares
LEAST_HAZARD = 1e-9
_START = np.array([0.1, -3.0, 0.7])  # background, offset, slope
_BOUNDS = ((0.0, 10.0), (-30.0, 30.0), (0.0, 30.0))
_DIGITS = 6  # significant ones of what is kept: the last of all differ between processors


@dataclass(frozen=True)
class Scale:
    """Of each feature where clean networks lie (`centre`, `spread`), and what was seen in units of that."""

    centre: Array
    spread: Array
    low: Array
    high: Array

    @classmethod
    def of(cls, features: Array, labels: Labels) -> Scale:
        """Of models (M, F), labels (M,) with 1 for poisoned; the median and the standard deviation of clean ones."""
        clean = features[labels == 0]
        centre, spread = np.median(clean, axis=0), np.maximum(clean.std(axis=0), LEAST_SPREAD)
        deviations = (features - centre) / spread
        return cls(centre, spread, deviations.min(axis=0), deviations.max(axis=0))

    def __call__(self, features: Array) -> Array:
        """Clipped and compressed deviations (M, F)."""
        deviations = np.clip((features - self.centre) / self.spread, self.low, self.high)
        compressed: Array = np.sign(deviations) * np.log1p(np.abs(deviations))
        return compressed


def fit_any_of(names: Sequence[str], features: Array, labels: Labels, penalty: float) -> AnyOf:
    """The mapping fitted on features (M, F) and labels (M,); `penalty` is that of the squared slope.

    Raises
    ------
    ValueError
        Without models of both kinds.
    """
    if len(set(labels.tolist())) < 2:
        raise ValueError("expected clean and poisoned models")
    scale = Scale.of(features, labels)
    data = scale(features), labels.astype(np.float64), penalty
    found = minimize(_loss, _START, data, jac=True, bounds=_BOUNDS, method="L-BFGS-B").x
    background, offset, slope = map(shortened, found)
    numbers = zip(names, scale.centre, scale.spread, scale.low, scale.high, strict=True)
    causes = (
        Cause(name, shortened(centre), shortened(spread), shortened(low), shortened(high), offset, slope)
        for name, centre, spread, low, high in numbers
    )
    return AnyOf(background, tuple(causes))


def shortened(number: float) -> float:
    """With the digits that are kept."""
    return float(f"{number:.{_DIGITS}g}")


def _loss(parameters: Array, inputs: Array, labels: Array, penalty: float) -> tuple[float, Array]:
    """Mean cross-entropy and penalty, with their gradient; parameters: background, offset, slope."""
    background, offset, slope = parameters
    scores = offset + slope * inputs
    hazard = np.maximum(background + np.logaddexp(0.0, scores).sum(axis=1), LEAST_HAZARD)
    poisoned = -np.expm1(-hazard)
    loss = float(np.mean(np.where(labels == 1, -np.log(poisoned), hazard)) + penalty * slope**2)
    by_hazard = np.where(labels == 1, -np.exp(-hazard) / poisoned, 1.0) / len(labels)
    by_score = by_hazard[:, None] / (1 + np.exp(-scores))
    gradient = np.array([by_hazard.sum(), by_score.sum(), (by_score * inputs).sum() + 2 * penalty * slope])
    return loss, gradient
