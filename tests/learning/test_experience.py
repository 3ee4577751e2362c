"""The range that was seen, with its margin; what lies outside."""

from __future__ import annotations

import numpy as np

from detector.learning.experience import MARGIN, outside, seen, widened

NAMES = ("first", "second")
FEATURES = np.array([[0.0, 1.0], [2.0, 5.0], [1.0, 3.0]])


def test_the_range_has_a_margin_at_both_ends() -> None:
    assert seen(FEATURES[:, 1]) == (1 - 4 * MARGIN, 5 + 4 * MARGIN)
    assert seen(np.array([0.123456789])) == (0.123457, 0.123457)


def test_the_union_of_what_is_known() -> None:
    known = (("second", (-10.0, 2.0)),)
    assert widened(known, NAMES, FEATURES) == (("second", (-10.0, 6.0)),)
    assert widened((), NAMES, FEATURES) == ()


def test_one_reading_outside_is_enough() -> None:
    known = (("second", (0.0, 4.0)), ("first", (0.5, 3.0)))
    assert outside(known, NAMES, FEATURES).tolist() == [True, True, False]
    assert outside(known, NAMES, np.array([[np.nan, 1.0]])).tolist() == [True]
    assert outside((), NAMES, FEATURES).tolist() == [False, False, False]
