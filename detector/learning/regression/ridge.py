"""Ridge regression of many sets of labels on many sets of features at once, with all leave-one-out errors.

A ridge fit is linear in the labels: fitted values are H y, leave-one-out residuals (y - H y) / (1 - h), with H from the
features alone. So one decomposition of the features serves the true labels and every permutation of them, and every
penalty. Features are standardised within each architecture, which is what lets several be pooled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.learning.regression.fit import Fit, raw_fits
from detector.learning.regression.scale import Scale

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

# Eigenvalues below this share of the largest are rounding: features of clamped windows are copies of each other.
_RANK_TOLERANCE = 1e-9
_CONSTANT = 1e-9  # an eigenvalue below this is none
_INTERPOLATED = 1e-6  # a leverage this close to 1 leaves nothing to be judged by
_CACHED = 100_000  # numbers that are worked on together


@dataclass(frozen=True)
class Ridge:
    """C candidates of d features each, decomposed for n models of the fit.

    Attributes
    ----------
    fitted, others
        Standardised features (C, n, d) of the models of the fit, and (C, m, d) of those to be judged.
    left, values
        Of fitted @ fitted.T: eigenvectors (C, n, r) and eigenvalues (C, r), of which the largest r = min(n, d).
    """

    fitted: Array
    others: Array
    left: Array
    values: Array
    scale: Scale

    @classmethod
    def of(cls, features: Array, architecture: Indices, fitted: Indices, others: Indices) -> Ridge:
        """Of features (C, N, d), with the indices of the models to fit on and to judge."""
        scale = Scale.of(features[:, fitted], architecture[fitted], int(architecture.max()) + 1)
        inputs = scale(features[:, fitted], architecture[fitted])
        left, values = _decomposed(inputs)
        return cls(inputs, scale(features[:, others], architecture[others]), left, values, scale)

    def losses(self, labels: Array, penalties: Sequence[float]) -> Array:
        """Mean squared leave-one-out errors (C, penalties, P) for labels (n, P)."""
        count = max(1, _CACHED // (self.left.shape[2] * labels.shape[1]))
        parts = [
            _losses(self.left[start : start + count], self.values[start : start + count], labels, penalties)
            for start in range(0, len(self.left), count)
        ]
        return np.concatenate(parts)

    def predictions(self, labels: Array, candidates: Indices, penalties: Array) -> Array:
        """Scores (m, Q) of the models to be judged: for each of Q columns of labels its candidate and penalty."""
        directions = self._coefficients(labels, candidates, penalties)
        scores: Array = labels.mean(axis=0) + np.matmul(self.others[candidates], directions)[..., 0].T
        return scores

    def raw_fits(self, labels: Array, candidate: int, penalty: float) -> tuple[Fit, ...]:
        """The regression of the raw features of one candidate, for each architecture, under labels (n,)."""
        (coefficients,) = self._coefficients(labels[:, None], np.array([candidate]), np.array([penalty]))
        scale = Scale(self.scale.means[:, candidate], self.scale.deviations[:, candidate])
        return raw_fits("linear", float(labels.mean()), coefficients[:, 0], scale)

    def _coefficients(self, labels: Array, candidates: Indices, penalties: Array) -> Array:
        """(Q, d, 1), of standardised features."""
        duals = self._duals(labels, candidates, penalties)
        coefficients: Array = np.matmul(self.fitted[candidates].transpose(0, 2, 1), duals)
        return coefficients

    def _duals(self, labels: Array, candidates: Indices, penalties: Array) -> Array:
        left, values = self.left[candidates], self.values[candidates]
        centred = (labels - labels.mean(axis=0)).T[..., None]
        projected = np.matmul(left.transpose(0, 2, 1), centred)
        added = (len(labels) * penalties)[:, None]
        inverse = np.divide(1.0, values + added, out=np.zeros_like(values), where=values > 0)
        duals: Array = np.matmul(left, projected * inverse[..., None])
        return duals


def least_squares(features: Array, labels: Indices) -> Fit:
    """Ordinary least squares of labels (n,) on features (n, d); of equally good fits the one with the least squares of
    standardised coefficients."""
    everyone, alike = np.arange(len(labels)), np.zeros(len(labels), dtype=np.int64)
    (fit,) = Ridge.of(features[None], alike, everyone, everyone[:0]).raw_fits(labels.astype(np.float64), 0, 0.0)
    return fit


def _decomposed(inputs: Array) -> tuple[Array, Array]:
    """Through the smaller of the two Gram matrices; directions that are rounding get the eigenvalue and vector 0."""
    wide = inputs.shape[2] > inputs.shape[1]
    transposed = inputs.transpose(0, 2, 1)
    values, vectors = np.linalg.eigh(np.matmul(inputs, transposed) if wide else np.matmul(transposed, inputs))
    kept = values > np.maximum(_RANK_TOLERANCE * values[:, -1:], _CONSTANT)
    values = np.where(kept, values, 0.0)
    if wide:
        return vectors * kept[:, None], values
    return np.matmul(inputs, vectors * (kept / np.sqrt(np.where(kept, values, 1.0)))[:, None]), values


def _losses(left: Array, values: Array, labels: Array, penalties: Sequence[float]) -> Array:
    """The sum of w (y - L c)^2, with w = 1 / (1 - h)^2, multiplied out: r numbers a column instead of n."""
    centred = labels - labels.mean(axis=0)
    transposed = left.transpose(0, 2, 1)
    projected, squares = np.matmul(transposed, centred), left**2
    losses = np.empty((len(left), len(penalties), labels.shape[1]))
    for number, penalty in enumerate(penalties):
        # The penalty grows with the number of models, so that a penalty means the same in every fold.
        kept = np.divide(values, values + len(labels) * penalty, out=np.zeros_like(values), where=values > 0)
        free = 1 - np.matmul(squares, kept[..., None]) - 1 / len(labels)  # 1 - h; the last for the intercept
        weighted = left / np.maximum(free, _INTERPOLATED) ** 2
        fitted = kept[..., None] * projected
        crossed = np.matmul(np.matmul(transposed, weighted), fitted) - 2 * np.matmul(
            weighted.transpose(0, 2, 1), centred
        )
        losses[:, number] = np.matmul(np.maximum(free[..., 0], _INTERPOLATED) ** -2, centred**2)
        losses[:, number] += np.einsum("crp,crp->cp", fitted, crossed)
        losses[free.min(axis=(1, 2)) < _INTERPOLATED, number] = np.inf
    return losses / len(labels)
