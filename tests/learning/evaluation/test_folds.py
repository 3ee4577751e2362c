"""Folds against scikit-learn's: everybody is held out once, groups stay together, classes are balanced."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import LeaveOneGroupOut

from detector.learning.evaluation.folds import Folds, leave_one_group_out, random_pairs, stratified_folds

RNG = np.random.default_rng(2)
LABELS = RNG.permutation([1] * 23 + [0] * 27)
GROUPS = np.array(["street", "glyphs", "letters"])[RNG.integers(0, 3, 50)]


def test_leave_one_group_out_is_scikit_learns() -> None:
    found = list(leave_one_group_out(GROUPS).splits())
    expected = list(LeaveOneGroupOut().split(np.zeros(50), LABELS, GROUPS))
    assert len(found) == len(expected) == 3
    for ours, theirs in zip(found, expected, strict=True):
        for some, others in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(some, others)


def test_any_factor_can_be_left_out() -> None:
    """Image sizes are numbers, architectures are names."""
    assert [out.tolist() for _, out in leave_one_group_out([224, 48, 48, 224, 64]).splits()] == [[1, 2], [4], [0, 3]]
    with pytest.raises(ValueError, match="two groups"):
        leave_one_group_out(["small"] * 5)


@pytest.mark.parametrize("groups", [None, GROUPS])
def test_stratified_folds_hold_everybody_out_once_a_repeat(groups: np.ndarray | None) -> None:
    folds = stratified_folds(LABELS, 0, groups=groups, folds=4, repeats=3)
    splits = list(folds.splits())
    assert len(splits) == 12
    for repeat in range(3):
        held_out = [out for _, out in splits[4 * repeat : 4 * repeat + 4]]
        assert sorted(np.concatenate(held_out)) == list(range(50))
    for fitted, out in splits:
        assert sorted([*fitted, *out]) == list(range(50))
        for rows in (np.arange(50),) if groups is None else (np.flatnonzero(groups == name) for name in set(groups)):
            mine = LABELS[np.intersect1d(out, rows)]
            assert mine.sum() == pytest.approx(LABELS[rows].sum() / 4, abs=1.01)
            assert len(mine) == pytest.approx(len(rows) / 4, abs=2.01)
    assert (folds.numbers[0] != folds.numbers[1]).any()


def test_equal_seeds_deal_equal_folds() -> None:
    one, same, other = (stratified_folds(LABELS, seed).numbers for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_pairs_are_of_both_classes_and_nobody_is_lost() -> None:
    pairs = random_pairs(LABELS, RNG)
    assert LABELS[pairs.paired].tolist() == [[0, 1]] * 23
    assert sorted([*pairs.paired.ravel(), *pairs.single]) == list(range(50))


def test_too_few_models_of_a_class() -> None:
    with pytest.raises(ValueError, match="at least 5 clean and 5 poisoned models, got 4"):
        stratified_folds(np.array([0] * 20 + [1] * 4), 0)


def test_the_folds_of_a_part() -> None:
    folds = stratified_folds(LABELS, 0, groups=GROUPS, folds=3)
    rows = GROUPS == "street"
    np.testing.assert_array_equal(folds.part(rows).numbers, folds.numbers[:, rows])
    with pytest.raises(ValueError, match="two folds"):
        leave_one_group_out(GROUPS).part(rows)


def test_a_single_fold_is_none() -> None:
    with pytest.raises(ValueError, match="two folds"):
        Folds(np.zeros((2, 5), dtype=np.int64))
