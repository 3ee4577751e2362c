"""The mapping as applied, against scikit-learn's own regressions and by hand."""

import math

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from detector.base.errors import DetectorError
from detector.mapping.parameters import Clip, Configuration, MappingKind
from detector.mapping.predict import predict
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.signals.features import Reduction

WIDE = Clip(0, 1)


def _configuration(
    coefficients: list[float], intercept: float = 0.0, kind: MappingKind = MappingKind.LINEAR
) -> Configuration:
    theta = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, len(coefficients), 10)
    return Configuration((theta,), ("accuracy",), Reduction.VARIANTS, kind, intercept, tuple(coefficients))


def _fitted(seed: int, models: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 11, (models, 15)) / 10, rng.integers(0, 2, models)


def test_linear_is_scikit_learns() -> None:
    vectors, labels = _fitted(0)
    fit = LinearRegression().fit(vectors, labels)
    configuration = _configuration(list(fit.coef_), float(fit.intercept_))
    expected = fit.predict(vectors)
    raw = [predict(configuration, vector, WIDE).raw for vector in vectors]
    np.testing.assert_allclose(raw, expected, rtol=0, atol=1e-12)
    clipped = [predict(configuration, vector, Clip(0.3, 0.6)).probability for vector in vectors]
    np.testing.assert_allclose(clipped, np.clip(expected, 0.3, 0.6), rtol=0, atol=1e-12)


def test_logistic_is_scikit_learns() -> None:
    vectors, labels = _fitted(1)
    fit = LogisticRegression(C=10).fit(vectors, labels)
    configuration = _configuration(list(fit.coef_[0]), float(fit.intercept_[0]), MappingKind.LOGISTIC)
    got = [predict(configuration, vector, WIDE) for vector in vectors]
    np.testing.assert_allclose([p.probability for p in got], fit.predict_proba(vectors)[:, 1], rtol=0, atol=1e-12)
    np.testing.assert_allclose([p.raw for p in got], fit.decision_function(vectors), rtol=0, atol=1e-12)


def test_by_hand() -> None:
    prediction = predict(_configuration([0.5, -0.25], intercept=0.125), [0.5, 1.0], Clip())
    assert prediction.contributions == (0.125, 0.25, -0.25)
    assert prediction.raw == 0.125
    assert prediction.probability == 0.125


def test_contributions_sum_exactly_to_raw() -> None:
    vectors, _ = _fitted(2)
    configuration = _configuration(list(np.random.default_rng(2).normal(0, 50, 15)), 0.1)
    for vector in vectors:
        prediction = predict(configuration, vector, Clip())
        assert math.fsum(prediction.contributions) == prediction.raw
        assert len(prediction.contributions) == 16


@pytest.mark.parametrize(("intercept", "expected"), [(-3.0, 0.01), (3.0, 0.99), (0.4, 0.4), (0.01, 0.01), (1.0, 0.99)])
def test_default_clip(intercept: float, expected: float) -> None:
    assert predict(_configuration([0.0], intercept), [1.0], Clip()).probability == expected


@pytest.mark.parametrize(("intercept", "expected"), [(-1e8, 0.0), (1e8, 1.0), (0.0, 0.5), (math.log(3), 0.75)])
def test_logistic_does_not_overflow(intercept: float, expected: float) -> None:
    configuration = _configuration([0.0], intercept, MappingKind.LOGISTIC)
    assert predict(configuration, [1.0], WIDE).probability == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e308])
def test_values_that_are_not_finite(value: float) -> None:
    with pytest.raises(DetectorError, match="not finite"):
        predict(_configuration([1e6, 1.0]), [value, 0.5], Clip())


@pytest.mark.parametrize("length", [0, 1, 3])
def test_vectors_of_another_length(length: int) -> None:
    with pytest.raises(DetectorError, match=f"{length} values"):
        predict(_configuration([1.0, 1.0]), [0.5] * length, Clip())
