"""L2 logistic regression: coefficients as scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from detector.learning.regression.logistic import fit_logistic, logistic, with_constant


@pytest.mark.parametrize("penalty", [0.003, 0.3])
@pytest.mark.parametrize("gap", [0.0, 3.0, 30.0])
def test_coefficients_are_those_of_scikit_learn(penalty: float, gap: float) -> None:
    """Also where the classes are separable."""
    rng = np.random.default_rng(0)
    labels = np.array([rng.permutation(np.arange(40) % 2) for _ in range(3)]).T
    inputs = np.column_stack([np.ones(40), rng.normal(size=(40, 4)) + gap * labels[:, :1]])
    found = fit_logistic(inputs, labels, penalty)
    for column, expected in enumerate(labels.T):
        theirs = LogisticRegression(C=1 / (40 * penalty), tol=1e-10, max_iter=10_000).fit(inputs[:, 1:], expected)
        np.testing.assert_allclose(found[1:, column], theirs.coef_[0], atol=1e-4)
        assert found[0, column] == pytest.approx(theirs.intercept_[0], abs=1e-3)


def test_a_stack_of_inputs_is_fitted_each_by_itself() -> None:
    """Inputs of their own for each set of labels, as the scores have that are calibrated."""
    rng = np.random.default_rng(1)
    inputs = with_constant(rng.normal(size=(4, 30, 2)))
    labels = np.array([rng.permutation([0, 1] * 15) for _ in range(4)])[..., None]
    found = fit_logistic(inputs, labels, 0.1)
    assert found.shape == (4, 3, 1)
    for number in range(4):
        alone = fit_logistic(inputs[number], labels[number], 0.1)
        np.testing.assert_allclose(found[number], alone, atol=1e-6)


def test_extreme_log_odds_do_not_overflow() -> None:
    with np.errstate(all="raise"):
        assert logistic(np.array([-1e9, 0.0, 1e9])).tolist() == pytest.approx([0, 0.5, 1], abs=1e-12)
