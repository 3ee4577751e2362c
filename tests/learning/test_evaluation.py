"""Figures by hand and by scikit-learn; noise is found to be noise, and a signal to be one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from detector.learning.evaluation.evaluation import evaluate, figures, held_out_probabilities
from detector.learning.evaluation.metrics import cross_entropies, error_rate, roc_auc
from detector.learning.regression.fitting import FitMethod, fit, folds
from detector.mapping.parameters import Clip

CLIP = Clip()


def test_figures_by_hand() -> None:
    """The second is a miss, the third is right, the last lies on the edge, which counts as a miss."""
    probabilities, labels = np.array([0.9, 0.2, 0.1, 0.5]), np.array([1, 1, 0, 0])
    found = figures(probabilities, labels)
    assert found.num_models == 4
    assert found.error_rate == 0.5
    assert found.cross_entropy == pytest.approx(-(math.log(0.9) + math.log(0.2) + math.log(0.9) + math.log(0.5)) / 4)
    assert found.roc_auc == 0.75  # of the four pairs, 0.2 against 0.5 is the wrong way round


def test_a_wrong_certain_answer_costs_27_6_nats() -> None:
    losses = cross_entropies(np.array([0.0, 1.0, 1.0]), np.array([1, 0, 1]))
    assert losses.tolist() == pytest.approx([27.631, 27.631, 0], abs=1e-3)


def test_figures_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    labels = rng.permutation([0] * 30 + [1] * 20)
    probabilities = np.round(rng.random(50), 1).clip(0.01, 0.99)  # with ties
    assert roc_auc(probabilities, labels) == pytest.approx(roc_auc_score(labels, probabilities))
    assert cross_entropies(probabilities, labels).mean() == pytest.approx(log_loss(labels, probabilities))
    assert brier_score_loss(labels, probabilities) >= error_rate(probabilities, labels) * 0.25


@pytest.mark.parametrize("method", [FitMethod.OLS, FitMethod.RIDGE, FitMethod.LOGISTIC])
def test_nothing_leaks_pure_noise_is_chance_held_out_and_good_in_sample(method: FitMethod) -> None:
    """Over many rounds of noise, as a single one may be lucky."""
    rng = np.random.default_rng(1)
    held_out, in_sample = [], []
    for seed in range(12):
        vectors, labels = rng.integers(0, 11, (40, 15)) / 10, rng.permutation([0, 1] * 20)
        answers = held_out_probabilities(method, vectors, labels, clip=CLIP, seed=seed, repeats=1)
        held_out.append(roc_auc(answers[0], labels))
        in_sample.append(roc_auc(fit(method, vectors, labels, seed).probabilities(vectors, CLIP), labels))
    assert np.mean(held_out) < 0.58  # below 0.5 rather: who is held out is missing in the base rate
    assert np.mean(held_out) > 0.35
    assert np.mean(in_sample) > np.mean(held_out) + 0.2


def test_evaluation_of_noise_and_of_a_signal() -> None:
    rng = np.random.default_rng(2)
    labels = rng.permutation([0, 1] * 15)
    noise = rng.random((30, 4))
    signal = noise + [[1.0, 0, 0, 0]] * labels[:, None]
    found = {
        name: evaluate(FitMethod.OLS, vectors, labels, clip=CLIP, seed=0, repeats=2, permutations=19)
        for name, vectors in (("noise", noise), ("signal", signal))
    }
    assert found["noise"].p_value > 0.05
    assert found["signal"].p_value == 1 / 20
    assert found["signal"].held_out.roc_auc > 0.9
    assert abs(found["signal"].permuted_auc - 0.5) < 0.15
    assert found["noise"].in_sample.cross_entropy < math.log(2) < found["noise"].held_out.cross_entropy
    assert found["noise"].folds == 5
    assert found["noise"].half_width > 0


def test_held_out_answers_are_those_of_the_other_folds() -> None:
    """By hand, with the normal equations, fold by fold."""
    rng = np.random.default_rng(3)
    vectors, labels = rng.random((20, 2)), np.array([0, 1] * 10)
    answers = held_out_probabilities(FitMethod.OLS, vectors, labels, clip=Clip(0, 1), seed=0, repeats=1)[0]
    for fitted, held_out in folds(labels, 0):
        design = np.column_stack([np.ones(len(fitted)), vectors[fitted]])
        beta = np.linalg.solve(design.T @ design, design.T @ labels[fitted])
        expected = np.column_stack([np.ones(len(held_out)), vectors[held_out]]) @ beta
        np.testing.assert_allclose(answers[held_out], expected.clip(0, 1), atol=1e-9)


def test_evaluation_is_deterministic() -> None:
    rng = np.random.default_rng(4)
    vectors, labels = rng.random((12, 2)), np.array([0, 1] * 6)
    first, second, other = (
        evaluate(FitMethod.RIDGE, vectors, labels, clip=CLIP, seed=seed, repeats=1, permutations=3)
        for seed in (0, 0, 1)
    )
    assert first == second
    assert first != other
