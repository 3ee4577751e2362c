"""Fits the mapping "any one of these is enough" (`detector.mapping.any_of`) by penalised maximum likelihood.

Slopes are never negative, so that no reading of a trojan can speak against one; the penalty draws them to zero, and a
feature that tells nothing ends with a slope of zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from detector.mapping.any_of import AnyOf, Cause

Array = NDArray[np.float64]

_CONSISTENT = 1.4826  # median absolute deviations to standard deviations, of normal numbers
_LEAST_SPREAD = 1e-3  # of readings that are shares or in the network's own units
_START_OFFSET, _START_SLOPE = -3.0, 0.5
_LARGEST_OFFSET = 30.0
_LEAST_HAZARD = 1e-9


@dataclass(frozen=True)
class Scale:
    """Of each feature where clean networks lie (`centre`, `spread`), and what was seen in units of that."""

    centre: Array
    spread: Array
    low: Array
    high: Array

    @classmethod
    def of(cls, features: Array, labels: NDArray[np.int64], weights: Array | None = None) -> Scale:
        """Of models (M, F), labels (M,) with 1 for poisoned."""
        clean = features[labels == 0]
        centre = np.median(clean, axis=0)
        spread = np.maximum(_CONSISTENT * np.median(np.abs(clean - centre), axis=0), _LEAST_SPREAD)
        deviations = (features - centre) / spread
        return cls(centre, spread, deviations.min(axis=0), deviations.max(axis=0))

    def __call__(self, features: Array) -> Array:
        """Clipped deviations (M, F)."""
        return np.clip((features - self.centre) / self.spread, self.low, self.high)


def fit_any_of(names: Sequence[str], features: Array, labels: NDArray[np.int64], penalty: float) -> AnyOf:
    """The mapping fitted on features (M, F) and labels (M,); `penalty` is that of the squared slopes.

    Raises
    ------
    ValueError
        Without models of both kinds.
    """
    if len(set(labels.tolist())) < 2:
        raise ValueError("expected clean and poisoned models")
    scale = Scale.of(features, labels)
    inputs, count = scale(features), len(names)
    start = np.concatenate([[0.1], np.full(count, _START_OFFSET), np.full(count, _START_SLOPE)])
    bounds = [(0.0, None), *[(-_LARGEST_OFFSET, _LARGEST_OFFSET)] * count, *[(0.0, None)] * count]
    found = minimize(
        _loss, start, (inputs, labels.astype(np.float64), penalty), jac=True, bounds=bounds, method="L-BFGS-B"
    ).x
    causes = zip(
        names, scale.centre, scale.spread, scale.low, scale.high, found[1 : 1 + count], found[1 + count :], strict=True
    )
    return AnyOf(float(found[0]), tuple(Cause(name, *map(float, own)) for name, *own in causes))


def _loss(parameters: Array, inputs: Array, labels: Array, penalty: float) -> tuple[float, Array]:
    """Mean cross-entropy and penalty, with their gradient; parameters: background, offsets (F), slopes (F)."""
    count = inputs.shape[1]
    offsets, slopes = parameters[1 : 1 + count], parameters[1 + count :]
    scores = offsets + slopes * inputs
    hazard = np.maximum(parameters[0] + np.logaddexp(0.0, scores).sum(axis=1), _LEAST_HAZARD)
    poisoned = -np.expm1(-hazard)
    loss = np.mean(np.where(labels == 1, -np.log(poisoned), hazard)) + penalty * (slopes**2).sum()
    by_hazard = np.where(labels == 1, -np.exp(-hazard) / poisoned, 1.0) / len(labels)
    by_score = by_hazard[:, None] / (1 + np.exp(-scores))
    gradient = np.concatenate([[by_hazard.sum()], by_score.sum(axis=0), (by_score * inputs).sum(axis=0)])
    gradient[1 + count :] += 2 * penalty * slopes
    return float(loss), gradient
