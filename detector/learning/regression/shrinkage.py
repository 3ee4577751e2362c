"""Fits the mapping `any_of` (detector/mapping/any_of.py) from a start: shrunk towards what another fit has learned.

Where clean networks lie and by how much they differ is learned as if the start were some further clean models. Three
numbers move from those of the start, by penalised likelihood: the background, and offset and slope, those of all causes
by the same. Fitted for many sets of labels at once, which a permutation test needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from detector.learning.regression.any_of import LEAST_HAZARD, LEAST_SPREAD, Scale, shortened
from detector.mapping.any_of import AnyOf, Cause

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

PSEUDO_MODELS = 10  # so many further clean models the start counts as

_MOST_HAZARD = 700.0  # beyond it, exp overflows
_MOST_STEPS = 200
_MOST_HALVINGS = 40
_CONVERGED = 1e-7  # of any number in a step
_NOISE = 1e-12  # of a loss: so far rounding may let it grow


@dataclass(frozen=True)
class Start:
    """What is started from: the scale of the F causes, the background, and offset and slope of each cause, (F,)."""

    names: tuple[str, ...]
    scale: Scale
    background: float
    offset: Array
    slope: Array

    @classmethod
    def of(cls, mapping: AnyOf) -> Start:
        """The numbers of a mapping."""
        fields = ("centre", "spread", "low", "high", "offset", "slope")
        centre, spread, low, high, offset, slope = (
            np.array([getattr(cause, name) for cause in mapping.causes]) for name in fields
        )
        names = tuple(cause.feature for cause in mapping.causes)
        return cls(names, Scale(centre, spread, low, high), mapping.background, offset, slope)

    def probabilities(self, features: Array) -> Array:
        """What it says itself, unchanged, of features (N, F): (N,)."""
        scores = self.offset + self.slope * self.scale(features)
        return _probabilities(self.background + np.logaddexp(0.0, scores).sum(axis=-1))

    def scale_with(self, features: Array, labels: Labels) -> Scale:
        """The scales (P, 1, F) of the start and of models (N, F) together, under each of P sets of labels (N, P).

        Median and variance of clean models, and those of the start, are the means of a normal distribution's posterior
        under its conjugate prior (Gelman et al., Bayesian Data Analysis, 3.3), the start being `PSEUDO_MODELS` models.
        The interval is the union of both.
        """
        clean = np.where(labels.T[:, :, None] == 0, features, np.nan)
        number = (labels == 0).sum(axis=0)[:, None, None]
        share = number / (number + PSEUDO_MODELS)
        middle, variance = np.nanmedian(clean, axis=1, keepdims=True), np.nanvar(clean, axis=1, keepdims=True)
        centre = share * middle + (1 - share) * self.scale.centre
        apart = share * (1 - share) * (middle - self.scale.centre) ** 2
        pooled = share * variance + (1 - share) * self.scale.spread**2 + apart
        spread = np.maximum(np.sqrt(pooled), LEAST_SPREAD)
        lowest, highest = (self.scale.centre + end * self.scale.spread for end in (self.scale.low, self.scale.high))
        low, high = np.minimum(lowest, features.min(axis=0)), np.maximum(highest, features.max(axis=0))
        return Scale(centre, spread, (low - centre) / spread, (high - centre) / spread)


@dataclass(frozen=True)
class ShrunkFits:
    """Fits from a start under P sets of labels, by each of K penalties.

    `scale` is (P, 1, F); `changes` (K, P, 3) are what is added to background, offset and slope of the start.
    """

    start: Start
    scale: Scale
    changes: Array

    def probabilities(self, features: Array) -> Array:
        """Of models with features (N, F): (K, N, P)."""
        background, offset, slope = (self.changes[:, :, None, number] for number in range(3))
        inputs, start = self.scale(features), self.start
        hazards = start.background + background
        for cause in range(inputs.shape[-1]):
            scores = start.offset[cause] + offset + (start.slope[cause] + slope) * inputs[..., cause]
            hazards = hazards + np.logaddexp(0.0, scores)
        return np.swapaxes(_probabilities(hazards), 1, 2)

    def mapping(self, option: int) -> AnyOf:
        """By one of the penalties, under the first set of labels."""
        background, offset, slope = self.changes[option, 0]
        one = self.scale
        columns = (one.centre[0, 0], one.spread[0, 0], one.low[0, 0], one.high[0, 0])
        rows = np.column_stack([*columns, self.start.offset + offset, self.start.slope + slope])
        causes = (
            Cause(name, *map(shortened, numbers)) for name, numbers in zip(self.start.names, rows.tolist(), strict=True)
        )
        return AnyOf(shortened(self.start.background + background), tuple(causes))


def fit_from(start: Start, features: Array, labels: Labels, penalties: Sequence[float]) -> ShrunkFits:
    """Fits on features (N, F) under labels (N, P), by each penalty of the squared changes; infinite: no change.

    Minimises the mean cross-entropy of the models plus the penalty. Each penalty is begun where the last one ended, so
    that the largest comes first best.

    Raises
    ------
    ValueError
        A set of labels has no clean or no poisoned model.
    """
    if not (labels.any(axis=0) & (labels == 0).any(axis=0)).all():
        raise ValueError("expected clean and poisoned models")
    scale = start.scale_with(features, labels)
    problem = _Problem(start, scale(features), labels.T)
    changes = [np.zeros((labels.shape[1], 3))]
    for penalty in penalties:
        changes.append(problem.minimum(penalty, changes[-1]) if np.isfinite(penalty) else np.zeros_like(changes[0]))
    return ShrunkFits(start, scale, np.array(changes[1:]))


def _probabilities(hazards: Array) -> Array:
    probabilities: Array = -np.expm1(-hazards)
    return probabilities


@dataclass(frozen=True)
class _Problem:
    """P problems of three numbers each: inputs (P, N, F), labels (P, N)."""

    start: Start
    inputs: Array
    labels: Labels

    @property
    def least(self) -> Array:
        """The changes (3,) that neither background nor any slope may fall below, or they would be negative."""
        return np.array([-self.start.background, -np.inf, -self.start.slope.min()])

    def minimum(self, penalty: float, changes: Array) -> Array:
        """The best changes (P, 3), from some on: Fisher scoring, its steps halved until they help.

        A number at its bound that would go beyond it stays there (Bertsekas 1982).
        """
        for _ in range(_MOST_STEPS):
            gradient, information = self.derivatives(changes, penalty)
            held = (changes <= self.least) & (gradient > 0)
            information = np.where(held[:, :, None] | held[:, None, :], np.eye(3), information)
            solved = np.linalg.solve(information, np.where(held, 0.0, gradient)[..., None])
            step = np.asarray(solved[..., 0], dtype=np.float64)
            last = changes
            changes = self._moved(last, step, penalty)
            if np.abs(changes - last).max() <= _CONVERGED:
                break
        return changes

    def _moved(self, changes: Array, step: Array, penalty: float) -> Array:
        """Against the step as far as the loss does not grow; nowhere, if it always does."""
        before = self.losses(changes, penalty)
        for _ in range(_MOST_HALVINGS):
            moved = np.maximum(changes - step, self.least)
            worse = self.losses(moved, penalty) > before + _NOISE
            if not worse.any():
                return moved
            step = np.where(worse[:, None], step / 2, step)
        return np.where(worse[:, None], changes, moved)

    def losses(self, changes: Array, penalty: float) -> Array:
        """Mean cross-entropies with the penalty, (P,)."""
        hazards = self._hazards(changes)[0]
        own = np.where(self.labels == 1, -np.log(_probabilities(hazards)), hazards)
        losses: Array = own.mean(axis=1) + penalty * (changes**2).sum(axis=1)
        return losses

    def derivatives(self, changes: Array, penalty: float) -> tuple[Array, Array]:
        """The gradient (P, 3), and the expected second derivatives (P, 3, 3)."""
        hazards, scores = self._hazards(changes)
        weights = expit(scores)
        towards = np.stack([np.ones_like(hazards), weights.sum(axis=-1), (weights * self.inputs).sum(axis=-1)], axis=-1)
        odds = 1 / np.expm1(hazards)  # of being clean; the information that a model has of its hazard, too
        by_hazard = np.where(self.labels == 1, -odds, 1.0) / hazards.shape[1]
        gradient = (by_hazard[:, None] @ towards)[:, 0] + 2 * penalty * changes
        weighed = towards * (odds / hazards.shape[1])[..., None]
        return gradient, np.swapaxes(towards, 1, 2) @ weighed + 2 * penalty * np.eye(3)

    def _hazards(self, changes: Array) -> tuple[Array, Array]:
        """Of all models (P, N), and the scores (P, N, F) of their causes."""
        background, offset, slope = changes.T[:, :, None]
        scores = (self.start.offset + offset[..., None]) + (self.start.slope + slope[..., None]) * self.inputs
        hazards = self.start.background + background + np.logaddexp(0.0, scores).sum(axis=-1)
        return np.clip(hazards, LEAST_HAZARD, _MOST_HAZARD), scores
