"""Calibration: from the score of a regression to a probability, after Platt, for many sets of labels at once.

A logistic regression on one number, its slope penalised and never negative. Scores come from models that took no part
in the fit they are scores of. Where the slope gains no more than a parameter costs (Schwarz: ln(n) / 2 nats), the base
rate is the answer: many candidates are looked at, and what is chosen among them gains a little even from noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

_STEPS = 30  # of Newton's method on a convex function of two variables, with a step limited in length
_LONGEST_STEP = 2.0
_PENALTY = 1.0  # half of it times the squared slope of standardised scores, as in sklearn's LogisticRegression(C=1)
_CONSTANT = 1e-9


@dataclass(frozen=True)
class Calibration:
    """For each of P columns: the logarithm of the odds is `intercept` + `slope` * score; each (P,)."""

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
    inputs = (scores - means) / deviations
    intercept, slope = _log_odds(labels.mean(axis=0)), np.zeros(scores.shape[1])
    for _ in range(_STEPS):
        odds = 1 / (1 + np.exp(-(intercept + slope * inputs)))
        weights = odds * (1 - odds)
        wrong = odds - labels
        down, across = wrong.sum(axis=0), (wrong * inputs).sum(axis=0) + _PENALTY * slope
        a, b, c = weights.sum(axis=0), (weights * inputs).sum(axis=0), (weights * inputs**2).sum(axis=0) + _PENALTY
        determinant = a * c - b * b
        intercept = intercept - np.clip((c * down - b * across) / determinant, -_LONGEST_STEP, _LONGEST_STEP)
        slope = slope - np.clip((a * across - b * down) / determinant, -_LONGEST_STEP, _LONGEST_STEP)
    raw = slope / deviations
    return Calibration(intercept - raw * means, raw)


def _log_odds(share: Array) -> Array:
    logarithm: Array = np.log(share) - np.log1p(-share)
    return logarithm


def _losses(intercept: Array, slope: Array, scores: Array, labels: Labels) -> Array:
    """Cross-entropy, summed over the models."""
    summed: Array = np.logaddexp(0, (intercept + slope * scores) * (1 - 2 * labels)).sum(axis=0)
    return summed
