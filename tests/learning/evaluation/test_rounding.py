"""Rounding to significant digits: as Python's own formatting does it, and blind to last bits."""

from __future__ import annotations

import numpy as np
import pytest

from detector.learning.evaluation.rounding import rounded

RNG = np.random.default_rng(4)


@pytest.mark.parametrize("exponent", [-6, -3, 0, 3, 12, 30])
def test_it_is_what_formatting_says(exponent: int) -> None:
    """To 12 decimals at most."""
    values = RNG.normal(size=200) * 10.0**exponent
    expected = [float(f"{value:.8e}" if abs(value) >= 1e-4 else f"{value:.12f}") for value in values]
    np.testing.assert_allclose(rounded(values), expected, rtol=1e-14, atol=0)


def test_sums_in_another_order_are_equal() -> None:
    parts = RNG.random((500, 40))
    one = np.array([sum(row) for row in parts.tolist()])
    other = np.array([sum(reversed(row)) for row in parts.tolist()])
    assert (one != other).any()
    np.testing.assert_array_equal(rounded(one), rounded(other))


def test_what_cancels_out_is_nothing() -> None:
    assert rounded(0.1 + 0.2 - 0.3) == 0
    assert rounded(-1e-17) == 0


def test_what_is_not_finite_stays() -> None:
    values = np.array([np.inf, -np.inf, np.nan, 0.0])
    np.testing.assert_array_equal(rounded(values), values)
    with np.errstate(all="raise"):
        rounded(values)


def test_few_digits_and_any_shape() -> None:
    np.testing.assert_allclose(rounded(np.array([[123456.0, 0.00123456]]), 3), [[123000.0, 0.00123]])
