"""Permutation tests against scikit-learn's, and that groups are no merit."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, permutation_test_score

from detector.learning.evaluation.folds import random_pairs
from detector.learning.evaluation.metrics import roc_auc
from detector.learning.evaluation.permutation import (
    p_value,
    permutation_test,
    permuted_labels,
    shuffled_labels,
    swapped_labels,
)

RNG = np.random.default_rng(9)


def test_labels_are_shuffled_within_their_group() -> None:
    """Answers that know the group but not the label: nothing to be proud of."""
    groups = np.repeat([0, 1], 20)
    labels = np.concatenate([RNG.permutation([1] * 18 + [0] * 2), RNG.permutation([1] * 2 + [0] * 18)])
    shuffled = shuffled_labels(labels, RNG, groups)
    assert [shuffled[groups == group].sum() for group in (0, 1)] == [18, 2]
    answers = 1.0 - groups
    assert roc_auc_score(labels, answers) == pytest.approx(0.9)

    def tested(answers: np.ndarray, groups: np.ndarray | None) -> float:
        rng = np.random.default_rng(0)
        return permutation_test(lambda other: roc_auc(answers, other), labels, rng, groups=groups).p_value

    assert tested(answers, groups) == 1
    assert tested(answers, None) == 1 / 201
    assert tested(labels + 0.0, groups) < 0.01


@pytest.mark.parametrize("effect", [0.0, 0.5, 1.5])
def test_it_is_scikit_learns(effect: float) -> None:
    """The same statistic, p-values of different shufflings: equal within their own error."""
    labels = RNG.permutation([0, 1] * 15)
    inputs = RNG.normal(size=(30, 2)) + effect * labels[:, None]
    model, folds = LogisticRegression(C=0.1), StratifiedKFold(3)

    def statistic(other: np.ndarray) -> float:
        aucs = [
            roc_auc(model.fit(inputs[fitted], other[fitted]).decision_function(inputs[out]), other[out])
            for fitted, out in folds.split(inputs, other)
        ]
        return float(np.mean(aucs))

    found = permutation_test(statistic, labels, np.random.default_rng(0), permutations=200)
    score, chance, p = permutation_test_score(
        model, inputs, labels, cv=folds, scoring="roc_auc", n_permutations=200, random_state=0
    )
    assert found.value == pytest.approx(score)
    assert found.p_value == pytest.approx(p, abs=3 * np.sqrt(2 * p * (1 - p) / 200) + 1e-9)
    assert (found.chance.mean(), found.chance.std()) == pytest.approx((chance.mean(), chance.std()), abs=0.04)


def test_small_losses_are_good_too() -> None:
    values = np.array([0.3, 0.2, 0.1 + 0.2, 0.4])
    assert p_value(values) == 3 / 4
    assert p_value(values, larger_is_better=False) == 3 / 4


def test_the_true_labels_come_first_and_every_group_keeps_its_share() -> None:
    labels, groups = np.array([0, 1] * 10 + [1] * 5), np.repeat(["a", "b", "c"], [10, 10, 5])
    made = permuted_labels(labels, 30, RNG, groups)
    assert made.shape == (25, 31)
    np.testing.assert_array_equal(made[:, 0], labels)
    for name in "abc":
        assert set(made[groups == name].sum(axis=0)) == {labels[groups == name].sum()}
    assert len({tuple(column) for column in made.T}) > 25


def test_pairs_swap_their_labels_or_keep_them() -> None:
    labels = np.array([0, 1] * 8 + [0] * 4)
    pairs = random_pairs(labels, RNG)
    swapped = swapped_labels(labels, pairs, RNG)
    assert (swapped[pairs.paired].sum(axis=1) == 1).all()
    assert 0 < (swapped != labels).sum() < 16
    np.testing.assert_array_equal(swapped[pairs.single], labels[pairs.single])
