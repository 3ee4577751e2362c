"""A regression of raw features: as `predict` applies it, folded back from every scale, written in six digits."""

from __future__ import annotations

import numpy as np

from detector.learning.regression.fit import Fit, raw_fits
from detector.learning.regression.scale import Scale
from detector.mapping.configuration import Clip

RNG = np.random.default_rng(8)


def test_extreme_odds_do_not_overflow() -> None:
    made = Fit("logistic", 0.0, (1.0,))
    with np.errstate(all="raise"):
        assert made.probabilities(np.array([[-1e6], [0.0], [1e6]]), Clip()).tolist() == [0.01, 0.5, 0.99]


def test_standardisation_is_folded_back_for_each_architecture() -> None:
    inputs, architecture = RNG.normal(size=(20, 3)) * [1, 10, 0.1] + [5, 0, 1], np.arange(20) % 2
    scale, coefficients = Scale.of(inputs, architecture, 2), np.array([0.2, -0.1, 0.05])
    fits = raw_fits("linear", 0.4, coefficients, scale)
    expected = 0.4 + scale(inputs, architecture) @ coefficients
    for number, fit in enumerate(fits):
        own = architecture == number
        np.testing.assert_allclose(fit.probabilities(inputs[own], Clip(0, 1)), expected[own].clip(0, 1), atol=1e-12)


def test_six_digits_are_kept() -> None:
    made = Fit("logistic", 123.4567891, (1.23456789e-9, -7.0)).shortened()
    assert (made.kind, made.intercept, made.coefficients) == ("logistic", 123.457, (1.23457e-9, -7.0))
