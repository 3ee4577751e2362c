"""Regressions against scikit-learn's own, solved normal equations, and what is known of their limits."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from detector.learning.regression import fitting
from detector.learning.regression.fitting import Fit, FitMethod, fit, folds
from detector.mapping.parameters import Clip, Configuration, MappingKind
from detector.mapping.predict import predict
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.signals.features import Reduction

RNG = np.random.default_rng(8)
LABELS = np.array([0, 1] * 20)
# Accuracies of 10 images: on very different scales, and the first two of them tell something.
VECTORS = RNG.integers(0, 11, (40, 5)) / 10 * [1, 1, 1, 0.01, 100]
VECTORS[:, 0] += 0.4 * LABELS
VECTORS[:, 1] -= 0.3 * LABELS
ALL = [FitMethod.OLS, FitMethod.RIDGE, FitMethod.LOGISTIC]


def test_ols_by_hand() -> None:
    """Four points on x: the slope is cov(x, y) / var(x) = 0.5 / 1.25."""
    made = fit(FitMethod.OLS, np.array([[0.0], [1], [2], [3]]), np.array([0, 0, 1, 1]), 0)
    assert made.kind is MappingKind.LINEAR
    assert made.coefficients == pytest.approx((0.4,))
    assert made.intercept == pytest.approx(0.5 - 0.4 * 1.5)


def test_ols_is_scikit_learns() -> None:
    made, oracle = fit(FitMethod.OLS, VECTORS, LABELS, 0), LinearRegression().fit(VECTORS, LABELS)
    assert made.intercept == pytest.approx(oracle.intercept_)
    np.testing.assert_allclose(made.coefficients, oracle.coef_, rtol=1e-8)


def test_ols_shares_out_what_copies_of_a_feature_have_in_common() -> None:
    """As NIST's table of Trim, whose last three windows are the same: equal coefficients, not huge opposite ones."""
    copied = VECTORS[:, [0, 1, 1, 1]]
    made, single = fit(FitMethod.OLS, copied, LABELS, 0), fit(FitMethod.OLS, VECTORS[:, [0, 1]], LABELS, 0)
    assert made.coefficients[1:] == pytest.approx([single.coefficients[1] / 3] * 3)
    assert made.coefficients[0] == pytest.approx(single.coefficients[0])


@pytest.mark.parametrize("labels", [LABELS, np.roll(LABELS, 1), RNG.permutation(LABELS)])
def test_ridge_is_scikit_learns_with_its_leave_one_out(labels: np.ndarray) -> None:
    made = fit(FitMethod.RIDGE, VECTORS, labels, 0)
    oracle = make_pipeline(StandardScaler(), RidgeCV(fitting._RIDGE_STRENGTHS)).fit(VECTORS, labels)
    expected = np.clip(oracle.predict(VECTORS), 0, 1)
    np.testing.assert_allclose(made.probabilities(VECTORS, Clip(0, 1)), expected, atol=1e-9)


def test_strengths_are_chosen_by_the_data() -> None:
    noise = fit(FitMethod.RIDGE, VECTORS[:, 2:], LABELS, 0)
    signal = fit(FitMethod.RIDGE, VECTORS[:, :2], LABELS, 0)
    assert np.ptp(noise.probabilities(VECTORS[:, 2:], Clip())) < 0.3
    assert np.ptp(signal.probabilities(VECTORS[:, :2], Clip())) > 0.6


@pytest.mark.parametrize("strength", [0.1, 10.0, 1e4])
def test_logistic_is_scikit_learns(strength: float) -> None:
    made = fitting._penalised(VECTORS, LABELS, strength)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=1 / strength, tol=1e-10, max_iter=10_000))
    oracle = pipeline.fit(VECTORS, LABELS).predict_proba(VECTORS)[:, 1]
    np.testing.assert_allclose(made.probabilities(VECTORS, Clip(0, 1)), oracle, atol=1e-5)


def test_logistic_on_separable_models_stays_finite() -> None:
    vectors = np.column_stack([LABELS + 0.0, RNG.random(40)])
    made = fit(FitMethod.LOGISTIC, vectors, LABELS, 0)
    assert np.isfinite(made.coefficients).all()
    np.testing.assert_array_equal(made.probabilities(vectors, Clip(0, 1)) > 0.5, LABELS == 1)


@pytest.mark.parametrize("method", ALL)
def test_probabilities_are_those_of_predict(method: FitMethod) -> None:
    theta = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, 5, 10)
    made, clip = fit(method, VECTORS, LABELS, 0), Clip(0.3, 0.6)
    chosen = ((theta,), ("accuracy",), Reduction.VARIANTS)
    configuration = Configuration(*chosen, made.kind, made.intercept, made.coefficients)
    expected = [predict(configuration, vector.tolist(), clip).probability for vector in VECTORS]
    np.testing.assert_allclose(made.probabilities(VECTORS, clip), expected, atol=1e-12)
    assert 0.3 in expected
    assert 0.6 in expected


@pytest.mark.parametrize("method", ALL)
def test_a_constant_feature_has_no_say(method: FitMethod) -> None:
    vectors = VECTORS.copy()
    vectors[:, 2] = 0.1 + 0.2
    made = fit(method, vectors, LABELS, 0)
    assert made.coefficients[2] == pytest.approx(0, abs=1e-12)
    assert np.isfinite(made.coefficients).all()


@pytest.mark.parametrize("method", [FitMethod.RIDGE, FitMethod.LOGISTIC])
def test_where_all_models_are_equal_the_base_rate_is_what_is_left(method: FitMethod) -> None:
    labels = np.array([1] * 6 + [0] * 2)
    made = fit(method, np.full((8, 3), 0.7), labels, 0)
    np.testing.assert_allclose(made.probabilities(np.full((2, 3), 0.7), Clip()), 0.75, atol=1e-6)


@pytest.mark.parametrize("method", ALL)
def test_equal_arguments_give_an_equal_fit(method: FitMethod) -> None:
    assert fit(method, VECTORS, LABELS, 3) == fit(method, VECTORS.copy(), LABELS.copy(), 3)


def test_one_model_of_a_class_is_not_enough() -> None:
    with pytest.raises(ValueError, match="at least two"):
        fit(FitMethod.OLS, VECTORS[:5], np.array([0, 0, 0, 0, 1]), 0)


@pytest.mark.parametrize(("poisoned", "count"), [(3, 3), (4, 4), (5, 5), (20, 5)])
def test_folds_are_stratified_and_hold_everything_out_once(poisoned: int, count: int) -> None:
    labels = np.array([1] * poisoned + [0] * 20)
    made = folds(labels, 0)
    assert len(made) == count
    assert sorted(np.concatenate([held_out for _, held_out in made])) == list(range(len(labels)))
    for fitted, held_out in made:
        assert not set(fitted) & set(held_out)
        assert labels[held_out].sum() in (poisoned // count, -(-poisoned // count))
    different = folds(labels, 1)
    assert any(list(a[1]) != list(b[1]) for a, b in zip(made, different, strict=True))


def test_extreme_odds_do_not_overflow() -> None:
    made = Fit(MappingKind.LOGISTIC, 0.0, (1.0,))
    with np.errstate(all="raise"):
        assert made.probabilities(np.array([[-1e6], [0.0], [1e6]]), Clip()).tolist() == [0.01, 0.5, 0.99]
