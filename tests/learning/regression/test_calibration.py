"""Platt's regression against scikit-learn's; the base rate where scores tell nothing."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from detector.learning.regression.calibration import calibrate, platt

RNG = np.random.default_rng(6)
LABELS = np.column_stack([RNG.permutation([0] * 25 + [1] * 15) for _ in range(4)])
SCORES = 0.3 * RNG.normal(size=(40, 4)) + [0.4, -0.4, 0.0, 9.0] * LABELS + 0.2  # the last one separates


@pytest.mark.parametrize("column", range(4))
def test_platt_is_scikit_learns(column: int) -> None:
    fitted = platt(SCORES, LABELS)
    inputs = (SCORES[:, column] - SCORES[:, column].mean()) / SCORES[:, column].std()
    oracle = LogisticRegression(C=1.0, tol=1e-12, max_iter=10_000).fit(inputs[:, None], LABELS[:, column])
    expected = oracle.predict_proba(inputs[:, None])[:, 1]
    np.testing.assert_allclose(fitted(SCORES)[:, column], expected, atol=1e-6)


def test_scores_that_tell_nothing_or_the_opposite_leave_the_base_rate() -> None:
    calibration = calibrate(SCORES, LABELS)
    assert (calibration.slope > 0).tolist() == [True, False, False, True]
    np.testing.assert_allclose(calibration(SCORES)[:, 1:3], 15 / 40)


def test_scores_without_spread_leave_the_base_rate() -> None:
    calibration = calibrate(np.full((40, 1), 0.5), LABELS[:, :1])
    np.testing.assert_allclose(calibration(np.array([[0.5], [7.0]])), 15 / 40)


def test_noise_seldom_gains_what_a_parameter_costs() -> None:
    """Twice the gain is a chi-squared number: it exceeds ln(100) in 3.2 % of the cases, half of them upwards."""
    labels = np.column_stack([RNG.permutation([0, 1] * 50) for _ in range(2000)])
    assert (calibrate(RNG.normal(size=labels.shape), labels).slope > 0).mean() == pytest.approx(0.016, abs=0.012)
