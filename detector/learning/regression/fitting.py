"""Fits a regression of labels on signal vectors: the paper's ordinary least squares, or a regularised one.

Coefficients are those of the raw vector, as `detector.mapping.predict` applies them: standardisation is folded back.
Arrays come from our own measurements and are finite. The regressions are scikit-learn's to the digit, but written
here: a permutation test makes thousands of tiny fits, on which scikit-learn mostly checks its arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from detector.mapping.configuration import Clip

Vectors = NDArray[np.float64]  # (models, length of the signal vector)
Labels = NDArray[np.int64]  # (models,), 1 = poisoned
Probabilities = NDArray[np.float64]

FEWEST_OF_A_CLASS = 3  # clean as well as poisoned: folds within folds need them

_RIDGE_STRENGTHS = np.logspace(-1, 5, 13)  # of standardised features; the strongest leaves the base rate alone
_LOGISTIC_STRENGTHS = np.logspace(-1, 4, 6)
_MOST_FOLDS = 5
_MOST_NEWTON_STEPS = 50
_CONVERGED = 1e-9
# Singular values below this share of the largest are rounding: features of clamped windows are copies of each other.
_RANK_TOLERANCE = 1e-9


class FitMethod(StrEnum):
    """How coefficients are found."""

    OLS = "ols"  # the paper's multiple linear regression
    RIDGE = "ridge"  # linear, L2 penalty chosen by leave-one-out
    LOGISTIC = "logistic"  # logistic, L2 penalty chosen by inner cross-validation


@dataclass(frozen=True)
class Fit:
    """A fitted regression on raw signal vectors."""

    kind: str
    intercept: float
    coefficients: tuple[float, ...]

    def probabilities(self, vectors: Vectors, clip: Clip) -> Probabilities:
        """Of being poisoned, clipped: for vectors (N, length) an array (N,), as `predict` has them one by one."""
        raw = self.intercept + vectors @ np.array(self.coefficients)
        linked = raw if self.kind == "linear" else 1 / (1 + np.exp(-np.clip(raw, -700, 700)))
        clipped: Probabilities = np.clip(linked, clip.low, clip.high)
        return clipped


def fit(method: FitMethod, vectors: Vectors, labels: Labels, seed: int) -> Fit:
    """Fit labels on vectors; equal arguments give an equal fit.

    Raises
    ------
    ValueError
        If there are fewer than two models of one class, which no fold could be made of.
    """
    if min(labels.sum(), len(labels) - labels.sum()) < 2:
        raise ValueError("expected at least two clean and two poisoned models")
    return _METHODS[method](vectors, labels, seed)


def folds(labels: Labels, seed: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Stratified folds, as indices (of the fit, held out): five, or as many as the rarer class has models."""
    from sklearn.model_selection import StratifiedKFold

    count = int(min(_MOST_FOLDS, labels.sum(), len(labels) - labels.sum()))
    splitter = StratifiedKFold(count, shuffle=True, random_state=seed)
    return list(splitter.split(np.zeros(len(labels)), labels))


def _ols(vectors: Vectors, labels: Labels, seed: int) -> Fit:
    """Least squares with an intercept; of equally good fits the one with the shortest coefficients."""
    means = vectors.mean(axis=0)
    coefficients = np.linalg.pinv(vectors - means, rcond=_RANK_TOLERANCE) @ (labels - labels.mean())
    intercept = float(labels.mean() - means @ coefficients)
    return Fit("linear", intercept, tuple(coefficients.tolist()))


def _ridge(vectors: Vectors, labels: Labels, seed: int) -> Fit:
    """Of the singular value decomposition: the leave-one-out errors of all strengths follow without further fits."""
    scale = _Scale.of(vectors)
    left, singular, right = np.linalg.svd(scale(vectors), full_matrices=False)
    centred = labels - labels.mean()

    def loss(strength: float) -> float:
        kept = singular**2 / (singular**2 + strength)
        leverage = (left**2) @ kept + 1 / len(labels)  # the last for the intercept
        return float(np.mean(((centred - (left * kept) @ (left.T @ centred)) / (1 - leverage)) ** 2))

    strength = min(_RIDGE_STRENGTHS, key=loss)
    coefficients = right.T @ (singular / (singular**2 + strength) * (left.T @ centred))
    return scale.undone("linear", float(labels.mean()), coefficients)


def _logistic(vectors: Vectors, labels: Labels, seed: int) -> Fit:
    inner = [(vectors[fitted], labels[fitted], vectors[out], labels[out]) for fitted, out in folds(labels, seed)]
    strength = min(_LOGISTIC_STRENGTHS, key=lambda strength: sum(_held_out_loss(strength, *fold) for fold in inner))
    return _penalised(vectors, labels, strength)


def _held_out_loss(strength: float, vectors: Vectors, labels: Labels, others: Vectors, other_labels: Labels) -> float:
    """Cross-entropy, summed over the other models, of a fit on the first ones."""
    fitted = _penalised(vectors, labels, strength)
    odds = fitted.intercept + others @ np.array(fitted.coefficients)
    return float(np.logaddexp(0, odds * (1 - 2 * other_labels)).sum())


def _penalised(vectors: Vectors, labels: Labels, strength: float) -> Fit:
    """Logistic regression, penalty strength / 2 |coefficients|^2 on standardised features, by Newton's method."""
    scale = _Scale.of(vectors)
    inputs = np.column_stack([np.ones(len(labels)), scale(vectors)])
    penalty = np.full(inputs.shape[1], strength)
    penalty[0] = 0  # the intercept is free

    def objective(weights: Vectors) -> float:
        return float(np.logaddexp(0, inputs @ weights * (1 - 2 * labels)).sum() + penalty @ weights**2 / 2)

    weights = np.zeros(inputs.shape[1])
    for _ in range(_MOST_NEWTON_STEPS):
        odds = 1 / (1 + np.exp(-inputs @ weights))
        gradient = inputs.T @ (odds - labels) + penalty * weights
        step = np.linalg.solve((inputs.T * (odds * (1 - odds))) @ inputs + np.diag(penalty), gradient)
        while objective(weights - step) > objective(weights) and np.abs(step).max() > _CONVERGED:
            step /= 2
        weights -= step
        if np.abs(step).max() <= _CONVERGED:
            break
    return scale.undone("logistic", float(weights[0]), weights[1:])


@dataclass(frozen=True)
class _Scale:
    """Standardisation by the mean and standard deviation of each feature; constant features become 0."""

    means: Vectors
    deviations: Vectors

    @classmethod
    def of(cls, vectors: Vectors) -> _Scale:
        deviations = vectors.std(axis=0)
        return cls(vectors.mean(axis=0), np.where(deviations > _RANK_TOLERANCE, deviations, 1.0))

    def __call__(self, vectors: Vectors) -> Vectors:
        scaled: Vectors = (vectors - self.means) / self.deviations
        return scaled

    def undone(self, kind: str, intercept: float, coefficients: Vectors) -> Fit:
        """The same regression for raw vectors."""
        raw = coefficients / self.deviations
        return Fit(kind, float(intercept - self.means @ raw), tuple(raw.tolist()))


_METHODS: Mapping[FitMethod, Callable[[Vectors, Labels, int], Fit]] = MappingProxyType(
    {FitMethod.OLS: _ols, FitMethod.RIDGE: _ridge, FitMethod.LOGISTIC: _logistic}
)
