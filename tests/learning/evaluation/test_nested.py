"""The nested choice against an explicit one with scikit-learn, for both kinds of folds."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

from detector.learning.evaluation.folds import Folds, leave_one_group_out, stratified_folds
from detector.learning.evaluation.nested import Options, held_out_losses, least_moved, nested_by, nested_probabilities
from detector.learning.evaluation.permutation import permuted_labels

RNG = np.random.default_rng(7)
GROUPS = np.repeat([0, 1, 2, 3], 12)
LABELS = permuted_labels(np.tile([0, 1], 24), 2, RNG, GROUPS)
COLUMNS = ([0], [1], [0, 1])
INPUTS = RNG.normal(size=(48, 2)) + 1.2 * LABELS[:, :1] * [1, 0]
STRATIFIED = stratified_folds(LABELS[:, 0], 0, groups=GROUPS, folds=4, repeats=2)
BY_GROUP = leave_one_group_out(GROUPS)


def answers(columns: list[int], labels: np.ndarray, fitted: np.ndarray) -> np.ndarray:
    made = LogisticRegression(C=0.5).fit(INPUTS[fitted][:, columns], labels[fitted])
    chances: np.ndarray = made.predict_proba(INPUTS[:, columns])[:, 1]
    return chances


def make_options(labels: np.ndarray) -> Options:
    """One a set of columns."""

    def options(fitted: np.ndarray) -> np.ndarray:
        return np.array([[answers(columns, one, fitted) for one in labels.T] for columns in COLUMNS]).swapaxes(1, 2)

    return options


def by_hand(labels: np.ndarray, outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Of one set of labels: for each fold the columns with the least loss of the others, fold by fold."""
    found = np.empty(len(labels))
    for fold in np.unique(outer):
        rest = outer != fold
        losses = []
        for columns in COLUMNS:
            loss = 0.0
            for other in np.unique(inner[rest]):
                held_out = rest & (inner == other)
                said = answers(columns, labels, rest & ~held_out)[held_out]
                loss += log_loss(labels[held_out], said, labels=[0, 1]) * held_out.sum()
            losses.append(loss)
        found[~rest] = answers(COLUMNS[int(np.argmin(losses))], labels, rest)[~rest]
    return found


@pytest.mark.parametrize("folds", [STRATIFIED, BY_GROUP])
@pytest.mark.parametrize("inner", [None, STRATIFIED, BY_GROUP])
def test_it_is_the_explicit_one(folds: Folds, inner: Folds | None) -> None:
    found = nested_probabilities(make_options(LABELS), LABELS, folds, inner)
    assert found.shape == (len(folds.numbers), 48, 3)
    for repeat, numbers in enumerate(folds.numbers):
        for column, labels in enumerate(LABELS.T):
            expected = by_hand(labels, numbers, numbers if inner is None else inner.numbers[0])
            np.testing.assert_allclose(found[repeat, :, column], expected, atol=1e-12)
    assert roc_auc_score(LABELS[:, 0], found[0, :, 0]) > 0.7


@pytest.mark.parametrize("inner", [None, STRATIFIED])
def test_nobody_is_judged_by_a_choice_that_has_seen_it(inner: Folds | None) -> None:
    held_out = GROUPS == 2
    turned = np.where(held_out[:, None], 1 - LABELS, LABELS)
    before, after = (nested_probabilities(make_options(one), one, BY_GROUP, inner) for one in (LABELS, turned))
    np.testing.assert_array_equal(before[0, held_out], after[0, held_out])
    assert (before[0, ~held_out] != after[0, ~held_out]).any()


def test_too_few_folds_to_choose_by() -> None:
    two = leave_one_group_out(GROUPS // 2)
    with pytest.raises(ValueError, match="three folds"):
        nested_probabilities(make_options(LABELS), LABELS, two)
    assert nested_probabilities(make_options(LABELS), LABELS, two, BY_GROUP).shape == (1, 48, 3)
    with pytest.raises(ValueError, match="two folds or more to choose by"):
        held_out_losses(make_options(LABELS), LABELS, GROUPS, GROUPS == 1)


def test_a_choice_of_ones_own_sees_the_losses_of_single_models() -> None:
    def second(losses: np.ndarray) -> np.ndarray:
        assert losses.shape[0] == len(COLUMNS) and losses.shape[2] == LABELS.shape[1] and losses.shape[1] > 1
        return np.ones(losses.shape[2], dtype=np.int64)

    found = nested_by(second, make_options(LABELS), LABELS, STRATIFIED)
    for repeat, numbers in enumerate(STRATIFIED.numbers):
        for fold in np.unique(numbers):
            rest = numbers != fold
            np.testing.assert_allclose(
                found[repeat, ~rest, 0], answers(COLUMNS[1], LABELS[:, 0], rest)[~rest], atol=1e-12
            )


@pytest.mark.parametrize("seed", range(20))
def test_the_first_option_within_one_standard_error_of_the_best_is_taken(seed: int) -> None:
    rng = np.random.default_rng(seed)
    losses = rng.exponential(size=(4, 30, 3)) * rng.uniform(0.6, 1.4, size=(4, 1, 3))
    expected = []
    for one in losses.transpose(2, 0, 1):
        best = one[int(np.argmin(one.mean(axis=1)))]
        standard_errors = [scipy.stats.sem(option - best) for option in one]
        expected.append(next(i for i, option in enumerate(one) if (option - best).mean() <= standard_errors[i] + 1e-12))
    assert least_moved(losses).tolist() == expected


def test_equal_options_keep_the_first() -> None:
    assert least_moved(np.ones((3, 5, 2))).tolist() == [0, 0]
