"""NIST's figures by hand and by scikit-learn, and that intervals and p-values are what they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import auc, brier_score_loss, log_loss, roc_auc_score, roc_curve

from detector.learning.evaluation.metrics import (
    bootstrap_interval,
    cross_entropy,
    difference,
    error_rate,
    judge,
    judge_alone,
    misses,
    roc_auc,
    roc_auc_by_thresholds,
)
from detector.mapping.known import Known

RNG = np.random.default_rng(9)


def test_by_hand() -> None:
    """A miss, a false alarm, an answer of just 0.5 for a clean model, which is one too, and two that are right."""
    answers = np.array([0.2, 0.9, 0.5, 0.7, 0.1]).reshape(1, 5, 1)
    labels = np.array([1, 0, 0, 1, 0]).reshape(5, 1)
    found = judge(answers, labels, 0)
    losses = [-math.log(0.2), -math.log(0.1), -math.log(0.5), -math.log(0.7), -math.log(0.9)]
    assert (found.num_models, found.num_poisoned, found.chance) == (5, 2, None)
    assert found.cross_entropy == pytest.approx(np.mean(losses))
    assert found.half_width == pytest.approx(1.96 * np.std(losses) / math.sqrt(5))
    assert found.brier == pytest.approx((0.64 + 0.81 + 0.25 + 0.09 + 0.01) / 5)
    assert found.roc_auc == pytest.approx((1 + 2) / 6)  # 0.2 beats 0.1 alone, 0.7 beats 0.5 and 0.1
    assert (found.false_positives, found.false_negatives) == (0.4, 0.2)
    assert found.error_rate == pytest.approx(0.6)
    assert found.stored.roc_auc == found.roc_auc
    assert found.stored.answers == Known((0.1, 0.5, 0.9), (0.2, 0.7))


def test_the_mean_answer_of_each_model_is_kept_of_those_held_out_alone() -> None:
    answers, labels = np.array([[[0.25], [0.5]], [[0.75], [0.25]]]), np.array([[0], [1]])
    assert judge(answers, labels, 0).answers == Known((0.5,), (0.375,))
    assert judge_alone(answers[0, :, 0], labels[:, 0], 0).stored.answers is None


def test_by_scikit_learn_over_repeats() -> None:
    labels = RNG.permutation([0] * 30 + [1] * 20)
    answers = np.round(RNG.random((3, 50)), 1).clip(0.01, 0.99)
    found = judge(answers[..., None], labels[:, None], 0)
    assert found.roc_auc == pytest.approx(np.mean([roc_auc_score(labels, one) for one in answers]))
    assert found.cross_entropy == pytest.approx(np.mean([log_loss(labels, one) for one in answers]))
    assert found.brier == pytest.approx(np.mean([brier_score_loss(labels, one) for one in answers]))


def test_the_interval_of_an_auc_is_about_hanley_and_mcneils() -> None:
    labels = np.repeat([0, 1], 80)
    answers = RNG.normal(size=160) + 1.2 * labels
    found = judge(answers.reshape(1, 160, 1).clip(-3, 3), labels[:, None], 0)
    auc = found.roc_auc
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    error = math.sqrt((auc * (1 - auc) + 79 * (q1 - auc**2) + 79 * (q2 - auc**2)) / 6400)
    assert found.auc_interval[0] == pytest.approx(auc - 1.96 * error, abs=0.02)
    assert found.auc_interval[1] == pytest.approx(auc + 1.96 * error, abs=0.02)


def test_p_values_count_the_permutations_that_do_as_well() -> None:
    """The first column is in order; of three permutations one is as well off, by AUC."""
    answers = np.tile(np.array([0.1, 0.2, 0.8, 0.9])[None, :, None], (1, 1, 4))
    labels = np.array([[0, 0, 1, 1], [1, 1, 0, 0], [0, 0, 1, 1], [0, 1, 0, 1]]).T
    chance = judge(answers, labels, 0).chance
    assert chance is not None
    assert chance.permutations == 3
    assert chance.p_roc_auc == chance.p_cross_entropy == 2 / 4
    assert chance.roc_auc == pytest.approx((0 + 1 + 0.75) / 3)


def test_a_difference_of_paired_answers_is_surer_than_that_of_unpaired_ones() -> None:
    labels = np.repeat([0, 1], 60)
    better = RNG.normal(size=(1, 120)) + labels
    worse = better + 0.5 * RNG.normal(size=(1, 120))
    found = difference(better, worse, labels, 0)
    expected = roc_auc_score(labels, better[0]) - roc_auc_score(labels, worse[0])
    assert found.value == pytest.approx(expected)
    low, high = judge(worse[..., None].clip(0, 1), labels[:, None], 0).auc_interval
    assert found.interval[0] < expected < found.interval[1]
    assert found.interval[1] - found.interval[0] < high - low
    same = difference(better, better, labels, 0)
    assert (same.value, *same.interval) == (0, 0, 0)


def test_the_auc_of_the_first_rounds_is_the_area_under_scikit_learns_curve_of_rounded_down_answers() -> None:
    """Between two thresholds all answers are the same."""
    labels = RNG.permutation([0] * 60 + [1] * 60)
    answers = (RNG.random(120) * 0.5 + 0.3 * labels).clip(0, 1)
    false, true, _ = roc_curve(labels, np.floor(answers * 100), drop_intermediate=False)
    assert roc_auc_by_thresholds(answers, labels) == pytest.approx(auc(false, true))
    coarse = np.round(answers, 2)
    assert roc_auc_by_thresholds(coarse, labels) == pytest.approx(roc_auc_score(labels, coarse))


def test_the_auc_of_the_first_rounds_ties_what_is_close_and_cuts_off_what_is_outside() -> None:
    labels = np.array([0, 1])
    assert roc_auc_by_thresholds(np.array([0.501, 0.509]), labels) == 0.5
    assert roc_auc_by_thresholds(np.array([0.07, 0.08]), labels) == 1
    assert roc_auc_by_thresholds(np.array([-0.5, 0.5]), labels) == 0  # the curve never reaches the right end
    assert roc_auc(np.array([-0.5, 0.5]), labels) == 1


def test_the_last_bit_of_an_answer_decides_nothing() -> None:
    """0.1 + 0.2 is not 0.3 to a processor, and 1 - 0.9 + 0.4 just misses 0.5."""
    labels = np.array([0, 1])
    assert roc_auc(np.array([0.3, 0.1 + 0.2]), labels) == 0.5
    assert roc_auc(np.array([0.1 + 0.2, 0.3]), labels) == 0.5
    assert misses(np.array([0.4 + (1 - 0.9)]), np.array([0])) == misses(np.array([0.5]), np.array([0])) == (1, 0)
    labels, answers = np.repeat([0, 1], 30), RNG.integers(0, 8, 60) / 7
    shaken = answers * (1 + RNG.choice([-2e-16, 0, 2e-16], 60))
    assert roc_auc(shaken, labels) == roc_auc(answers, labels) == pytest.approx(roc_auc_score(labels, answers))


def test_any_metric_has_an_interval_by_bootstrap_within_strata() -> None:
    """That of a mean is known; a stratum that alone holds all errors makes it narrower."""
    labels = np.repeat([0, 1], 100)
    answers = np.where(RNG.random(200) < 0.25, 1 - labels, labels) * 0.8 + 0.1
    low, high = bootstrap_interval(error_rate, answers, labels, np.random.default_rng(0))
    rate = error_rate(answers, labels)
    half = 1.96 * math.sqrt(rate * (1 - rate) / 200)
    assert (low, high) == pytest.approx((rate - half, rate + half), abs=0.015)
    wrong = np.abs(answers - labels) > 0.5
    low, high = bootstrap_interval(error_rate, answers, labels, np.random.default_rng(0), strata=wrong)
    assert low == high == rate
    first, second = (
        bootstrap_interval(cross_entropy, answers, labels, np.random.default_rng(3), resamples=50) for _ in range(2)
    )
    assert first == second


def test_the_bootstrap_of_an_auc_is_the_fast_one() -> None:
    labels = np.repeat([0, 1], 40)
    answers = RNG.normal(size=80) + labels
    fast = judge_alone(answers, labels, 0).auc_interval
    assert bootstrap_interval(roc_auc, answers, labels, np.random.default_rng(1)) == pytest.approx(fast, abs=0.02)
