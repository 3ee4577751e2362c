"""Folds and permutations: whole pairs, the same balance under every set of labels, everybody held out once."""

from __future__ import annotations

import numpy as np
import pytest

from detector.learning.evaluation.design import leave_one_group_out_design, make_design

LABELS = [np.random.default_rng(0).permutation([1] * 12 + [0] * 15), np.array([0, 1] * 10)]


def test_every_fold_holds_as_many_poisoned_models_under_every_permutation() -> None:
    design = make_design(LABELS, 0, folds=5, repeats=3, permutations=40)
    assert design.labels.shape == (47, 41)
    assert design.folds.numbers.shape == (3, 47)
    np.testing.assert_array_equal(design.labels[:, 0], np.concatenate(LABELS))
    for architecture in (0, 1):
        part = design.part(architecture)
        for folds in part.folds.numbers:
            for fold in range(5):
                counts = part.labels[folds == fold].sum(axis=0)
                assert len(set(counts)) == 1
                assert counts[0] in (len(LABELS[architecture]) // 10, 12 // 5, 12 // 5 + 1)


def test_folds_differ_by_repeat_in_what_they_hold_and_hardly_in_size() -> None:
    design = make_design(LABELS, 0, folds=5, repeats=2, permutations=1)
    assert (design.folds.numbers[0] != design.folds.numbers[1]).any()
    for folds in design.part(0).folds.numbers:
        sizes = np.bincount(folds)
        assert sizes.sum() == 27
        assert sizes.max() - sizes.min() <= 2


def test_a_permutation_moves_about_half_of_the_pairs_and_keeps_models_without_a_partner() -> None:
    design = make_design(LABELS, 3, permutations=400)
    truth, permuted = design.part(0).labels[:, :1], design.part(0).labels[:, 1:]
    moved = (truth != permuted).mean(axis=1)
    assert sorted(moved)[:3] == [0, 0, 0]  # of the 15 clean models 3 have no partner
    np.testing.assert_allclose(sorted(moved)[3:], 0.5, atol=0.12)
    assert (permuted.sum(axis=0) == 12).all()


def test_the_part_of_an_architecture_is_that_of_its_own_design() -> None:
    design = make_design(LABELS, 1, permutations=3)
    part = design.part(1)
    assert len(part.labels) == 20
    assert set(part.architecture) == {0}
    np.testing.assert_array_equal(part.folds.numbers, design.folds.numbers[:, 27:])
    assert part.with_true_labels_only().labels.shape == (20, 1)


def test_too_few_models_of_a_class() -> None:
    with pytest.raises(ValueError, match="at least 5 clean and 5 poisoned"):
        make_design([np.array([0] * 20 + [1] * 4)], 0)


def test_left_out_groups_keep_their_share_of_poisoned_models_under_every_permutation() -> None:
    labels, groups = np.concatenate(LABELS), np.arange(47) % 3
    architecture = np.repeat([0, 1], [27, 20])
    design = leave_one_group_out_design(labels, groups, architecture, 0, permutations=25)
    assert design.labels.shape == (47, 26)
    np.testing.assert_array_equal(design.labels[:, 0], labels)
    np.testing.assert_array_equal(design.folds.numbers, [groups])
    for group in range(3):
        assert set(design.labels[groups == group].sum(axis=0)) == {labels[groups == group].sum()}
    np.testing.assert_array_equal(design.part(1).labels, design.labels[27:])
