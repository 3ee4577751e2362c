"""L2 logistic regression, for many sets of labels at once: one bound on the curvature, one inverse, serves all of them.

scikit-learn's, to the tolerance of the iteration; a permutation test makes thousands of tiny fits, on which
scikit-learn mostly checks its arguments.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_MOST_STEPS = 2000
_CONVERGED = 1e-8  # of any coefficient in a step
_FARTHEST = 30.0  # log-odds: beyond it a probability is 0 or 1


def with_constant(inputs: Array) -> Array:
    """Inputs (..., d) with a first column of ones, whose coefficient is the intercept."""
    return np.concatenate([np.ones((*inputs.shape[:-1], 1)), inputs], axis=-1)


def logistic(log_odds: Array) -> Array:
    """Probabilities."""
    probabilities: Array = 1 / (1 + np.exp(-np.clip(log_odds, -_FARTHEST, _FARTHEST)))
    return probabilities


def fit_logistic(inputs: Array, labels: NDArray[np.int64], penalty: float) -> Array:
    """Coefficients (..., d, P) for inputs (..., n, d), whose first column is the constant, and labels (..., n, P).

    Minimises the cross-entropy, summed over the n models, plus n * penalty / 2 times the squared coefficients, that of
    the constant apart: steps under the bound 1/4 on the curvature of each model (Boehning 1992), each begun a little
    further on in the direction of the last (Nesterov 1983), but where that turns back (O'Donoghue and Candes 2015).
    """
    count, width = inputs.shape[-2:]
    penalties = np.full((width, 1), count * penalty)
    penalties[0] = 0.0
    turned = np.swapaxes(inputs, -1, -2)
    inverse = np.linalg.inv(turned @ inputs / 4 + np.diag(penalties[:, 0]))
    weights = np.zeros((*inputs.shape[:-2], width, labels.shape[-1]))
    ahead, momentum = weights, 1.0
    for _ in range(_MOST_STEPS):
        step = inverse @ (turned @ (logistic(inputs @ ahead) - labels) + penalties * ahead)
        last, weights = weights, ahead - step
        if np.abs(step).max() <= _CONVERGED:
            break
        onwards = (step * (weights - last)).sum(axis=-2, keepdims=True) < 0
        previous, momentum = momentum, (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = weights + np.where(onwards, (previous - 1) / momentum, 0.0) * (weights - last)
    return weights
