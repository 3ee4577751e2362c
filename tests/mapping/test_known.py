"""What is kept of the networks that a mapping was learned from."""

from __future__ import annotations

import math

import numpy as np
import pytest

from detector.mapping.known import MOST_FEATURES, MOST_NUMBERS, Known, known_networks


def test_few_networks_are_kept_as_they_are_and_apart_by_label() -> None:
    known = Known.of(np.array([3.0, 1.0, 2.0, 0.123456]), np.array([0, 0, 1, 1]))
    assert (known.clean, known.poisoned) == ((1.0, 3.0), (0.1235, 2.0))
    assert known.middle == (2.0 + (0.1235 + 2.0) / 2) / 2


def test_of_many_networks_quantiles_are_kept() -> None:
    values = np.random.default_rng(0).normal(size=1000)
    known = Known.of(values, np.zeros(1000))
    assert len(known.clean) == MOST_NUMBERS and known.poisoned == ()
    np.testing.assert_allclose(known.clean[MOST_NUMBERS // 4], np.percentile(values, 25), rtol=1e-3)
    assert known.middle is None


def test_too_many_features_are_not_kept() -> None:
    names = [str(number) for number in range(MOST_FEATURES + 1)]
    labels = np.array([0, 1])
    assert known_networks(names, np.zeros((2, len(names))), labels) == ()
    assert len(known_networks(names[:-1], np.zeros((2, len(names) - 1)), labels)) == MOST_FEATURES


@pytest.mark.parametrize("values", [(2.0, 1.0), (math.nan,), (math.inf,)])
def test_what_is_no_ascending_row_of_numbers_is_an_error(values: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="ascending"):
        Known(values, ())
