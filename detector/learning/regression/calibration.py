"""Calibration: from the score of a regression to a probability, after Platt, for many sets of labels at once.

The logistic regression of a single number, its slope never negative. Scores come from models that took no part in the
fit they are scores of. Where the slope gains no more than a parameter costs (Schwarz: ln(n) / 2 nats), the base rate is
the answer: many candidates are looked at, and what is chosen among them gains a little even from noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.learning.regression.logistic import fit_logistic, with_constant

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

_PENALTY = 1.0  # half of it times the squared slope of standardised scores, as in sklearn's LogisticRegression(C=1)
_CONSTANT = 1e-9


@dataclass(frozen=True)
class Calibration:
    """For each of P columns: the log-odds are `intercept` + `slope` * score; each (P,)."""

    intercept: Array
    slope: Array

    def __call__(self, scores: Array) -> Array:
        """Probabilities for scores (..., P)."""
        probabilities: Array = 1 / (1 + np.exp(-np.clip(self.intercept + self.slope * scores, -700, 700)))
        return probabilities


def calibrate(scores: Array, labels: Labels) -> Calibration:
    """Fit on scores (n, P) and labels (n, P), of which each column holds both classes."""
    fitted = platt(scores, labels)
    base = _log_odds(labels.mean(axis=0))
    gain = _losses(base, np.zeros_like(base), scores, labels) - _losses(fitted.intercept, fitted.slope, scores, labels)
    useful = (fitted.slope > 0) & (gain > np.log(len(scores)) / 2)
    return Calibration(np.where(useful, fitted.intercept, base), np.where(useful, fitted.slope, 0.0))


def platt(scores: Array, labels: Labels) -> Calibration:
    """The penalised logistic regression itself, slope of either sign."""
    means, deviations = scores.mean(axis=0), scores.std(axis=0)
    deviations = np.where(deviations > _CONSTANT, deviations, 1.0)
    inputs = with_constant(((scores - means) / deviations).T[..., None])  # (P, n, 2): a regression for each column
    intercept, slope = fit_logistic(inputs, labels.T[..., None], _PENALTY / len(scores))[..., 0].T
    raw = slope / deviations
    return Calibration(intercept - raw * means, raw)


def _log_odds(share: Array) -> Array:
    logarithm: Array = np.log(share) - np.log1p(-share)
    return logarithm


def _losses(intercept: Array, slope: Array, scores: Array, labels: Labels) -> Array:
    """Cross-entropy, summed over the models."""
    summed: Array = np.logaddexp(0, (intercept + slope * scores) * (1 - 2 * labels)).sum(axis=0)
    return summed
