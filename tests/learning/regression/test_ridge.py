"""Batched ridge against scikit-learn's, and leave-one-out errors against explicit refits."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.preprocessing import StandardScaler

from detector.learning.regression.ridge import Ridge as Batched
from detector.learning.regression.ridge import least_squares
from detector.learning.regression.scale import Scale

RNG = np.random.default_rng(5)
ONE = np.zeros(24, dtype=np.int64)
FITTED, OTHERS = np.arange(18), np.arange(18, 24)
LABELS = np.column_stack([RNG.permutation([0, 1] * 9) for _ in range(3)]).astype(float)


def features(width: int, candidates: int = 2) -> np.ndarray:
    """On very different scales."""
    return RNG.normal(size=(candidates, 24, width)) * np.logspace(-1, 2, width) + 3


@pytest.mark.parametrize("width", [3, 40])  # fewer and more than models
@pytest.mark.parametrize("penalty", [0.03, 3.0])
def test_predictions_are_scikit_learns(width: int, penalty: float) -> None:
    inputs = features(width)
    made = Batched.of(inputs, ONE, FITTED, OTHERS)
    scores = made.predictions(LABELS, np.array([1, 0, 1]), np.full(3, penalty))
    for column, candidate in enumerate((1, 0, 1)):
        scaler = StandardScaler().fit(inputs[candidate, FITTED])
        oracle = Ridge(18 * penalty).fit(scaler.transform(inputs[candidate, FITTED]), LABELS[:, column])
        expected = oracle.predict(scaler.transform(inputs[candidate, OTHERS]))
        np.testing.assert_allclose(scores[:, column], expected, atol=1e-9)


@pytest.mark.parametrize("width", [3, 40])
@pytest.mark.parametrize("penalty", [0.03, 3.0])
def test_leave_one_out_errors_are_those_of_explicit_refits(width: int, penalty: float) -> None:
    """With the scale of all models and the same penalty: leaving out is exact for the regression itself."""
    inputs = features(width)
    losses = Batched.of(inputs, ONE, FITTED, OTHERS).losses(LABELS, [penalty])
    for candidate in range(2):
        scaled = StandardScaler().fit_transform(inputs[candidate, FITTED])
        for column in range(3):
            errors = []
            for left_out in range(18):
                kept = np.arange(18) != left_out
                oracle = Ridge(18 * penalty).fit(scaled[kept], LABELS[kept, column])
                errors.append(LABELS[left_out, column] - oracle.predict(scaled[[left_out]])[0])
            assert losses[candidate, 0, column] == pytest.approx(np.mean(np.square(errors)))


def test_no_penalty_is_ordinary_least_squares() -> None:
    inputs = features(3)
    made = Batched.of(inputs, ONE, FITTED, OTHERS)
    scores = made.predictions(LABELS, np.zeros(3, dtype=np.int64), np.zeros(3))
    oracle = LinearRegression().fit(inputs[0, FITTED], LABELS)
    np.testing.assert_allclose(scores, oracle.predict(inputs[0, OTHERS]), atol=1e-8)


def test_copies_of_a_feature_and_constant_ones_change_nothing_without_penalty() -> None:
    inputs = features(3, 1)
    copied = np.concatenate([inputs, inputs[:, :, :1], np.full((1, 24, 1), 0.3)], axis=2)
    one, other = (Batched.of(each, ONE, FITTED, OTHERS) for each in (inputs, copied))
    arguments = (LABELS, np.zeros(3, dtype=np.int64), np.zeros(3))
    np.testing.assert_allclose(one.predictions(*arguments), other.predictions(*arguments), atol=1e-8)


def test_what_interpolates_cannot_win() -> None:
    """As many free coefficients as models: every residual is 0, and nothing is learned from that."""
    assert np.isinf(Batched.of(features(17), ONE, FITTED, OTHERS).losses(LABELS, [0.0])).all()


def test_many_columns_are_cut_into_parts_that_fit_together() -> None:
    inputs, many = features(4, 50), RNG.random((18, 800))
    losses = Batched.of(inputs, ONE, FITTED, OTHERS).losses(many, [0.1, 1.0])
    for candidate in (0, 23, 49):
        alone = Batched.of(inputs[candidate][None], ONE, FITTED, OTHERS).losses(many, [0.1, 1.0])
        np.testing.assert_allclose(losses[candidate], alone[0])


def test_architectures_are_standardised_each_on_its_own_models_of_the_fit() -> None:
    """The same models in other units: pooled, they are duplicates."""
    plain = RNG.normal(size=(24, 2))
    both = np.concatenate([plain, plain * [100, 0.1] + [5, -7]])[None]
    architecture = np.repeat([0, 1], 24)
    fitted = np.concatenate([FITTED, FITTED + 24])
    made = Batched.of(both, architecture, fitted, np.array([20, 44]))
    np.testing.assert_allclose(made.fitted[0, :18], made.fitted[0, 18:], atol=1e-9)
    np.testing.assert_allclose(made.others[0, 0], made.others[0, 1], atol=1e-9)
    np.testing.assert_allclose(made.fitted[0, :18].std(axis=0), 1)
    scale = Scale.of(both[0, fitted], architecture[fitted], 2)
    np.testing.assert_allclose(scale.means, [plain[:18].mean(axis=0), plain[:18].mean(axis=0) * [100, 0.1] + [5, -7]])


def test_raw_coefficients_are_the_predictions() -> None:
    """Those of scikit-learn, folded back to raw features, for each architecture with its own scale."""
    inputs = features(3)
    architecture = np.arange(24) % 2
    made = Batched.of(inputs, architecture, FITTED, OTHERS)
    chosen = np.array([1]), np.array([0.3])
    fits = made.raw_fits(LABELS[:, 0], 1, 0.3)
    expected = made.predictions(LABELS[:, :1], *chosen)[:, 0]
    for number, fit in enumerate(fits):
        mine = architecture[OTHERS] == number
        found = fit.intercept + inputs[1, OTHERS][mine] @ np.array(fit.coefficients)
        np.testing.assert_allclose(found, expected[mine], atol=1e-9)


def test_least_squares_by_hand() -> None:
    """Four points on x: the slope is cov(x, y) / var(x) = 0.5 / 1.25."""
    made = least_squares(np.array([[0.0], [1], [2], [3]]), np.array([0, 0, 1, 1]))
    assert made.kind == "linear"
    assert made.coefficients == pytest.approx((0.4,))
    assert made.intercept == pytest.approx(0.5 - 0.4 * 1.5)


def test_least_squares_is_scikit_learns() -> None:
    inputs, labels = features(3)[0], RNG.permutation([0, 1] * 12)
    made, oracle = least_squares(inputs, labels), LinearRegression().fit(inputs, labels)
    assert made.intercept == pytest.approx(oracle.intercept_)
    np.testing.assert_allclose(made.coefficients, oracle.coef_, rtol=1e-8)


def test_least_squares_shares_out_what_copies_of_a_feature_have_in_common() -> None:
    """As NIST's table of Trim, whose last three windows are the same: equal coefficients, not huge opposite ones."""
    inputs, labels = features(2)[0], RNG.permutation([0, 1] * 12)
    made, single = least_squares(inputs[:, [0, 1, 1, 1]], labels), least_squares(inputs, labels)
    assert made.coefficients[1:] == pytest.approx([single.coefficients[1] / 3] * 3)
    assert made.coefficients[0] == pytest.approx(single.coefficients[0])
