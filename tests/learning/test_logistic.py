"""The pooled L2 logistic regression: coefficients as scikit-learn's, and answers blind to the labels of their fold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from detector.learning.evaluation.design import make_design
from detector.learning.regression.logistic import STRENGTHS, Logistic, fit_logistic
from detector.learning.search.candidates import Candidate
from detector.learning.search.concluding import conclude
from detector.mapping.parameters import Clip
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.signals.features import Reduction
from detector.sweep.readings import ArchitectureReadings

Make = Callable[..., ArchitectureReadings]
THETA = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, 5, 10)
OTHER = replace(THETA, p=0.2)
BOTH = [
    Candidate((THETA, OTHER), ("margin",), Reduction.MEAN),
    Candidate((THETA, OTHER), ("accuracy",), Reduction.MEAN),
]


@pytest.mark.parametrize("strength", [0.003, 0.3])
@pytest.mark.parametrize("gap", [0.0, 3.0, 30.0])
def test_coefficients_are_those_of_scikit_learn(strength: float, gap: float) -> None:
    """Also where the classes are separable."""
    rng = np.random.default_rng(0)
    labels = np.array([rng.permutation(np.arange(40) % 2) for _ in range(3)]).T
    inputs = np.column_stack([np.ones(40), rng.normal(size=(40, 4)) + gap * labels[:, :1]])
    found = fit_logistic(inputs, labels, strength)
    for column, expected in enumerate(labels.T):
        theirs = LogisticRegression(C=1 / (40 * strength), tol=1e-10, max_iter=10_000).fit(inputs[:, 1:], expected)
        np.testing.assert_allclose(found[1:, column], theirs.coef_[0], atol=1e-4)
        assert found[0, column] == pytest.approx(theirs.intercept_[0], abs=1e-3)


def test_a_planted_signal_is_found_and_permuted_labels_are_not(make_readings: Make) -> None:
    readings = [make_readings(name, seed, (THETA, OTHER), planted={1: 2.0}) for seed, name in enumerate(("a", "b"))]
    design = make_design([one.poisoned for one in readings], 0, repeats=2, permutations=19)
    answers = Logistic.of(readings, BOTH, design, Clip()).held_out()
    assert answers.shape == (2, 60, 20)
    assert (answers.min(), answers.max()) >= (0.01, 0.5) and answers.max() <= 0.99
    aucs = [roc_auc_score(design.labels[:, column], answers[0, :, column]) for column in range(20)]
    assert aucs[0] > 0.9
    assert np.mean(aucs[1:]) == pytest.approx(0.5, abs=0.1)


def test_labels_of_a_fold_do_not_reach_its_answers(make_readings: Make) -> None:
    readings = [make_readings("a", 0, (THETA, OTHER), planted={1: 2.0})]
    design = make_design([readings[0].poisoned], 0, repeats=1, permutations=1)
    inside = design.folds.numbers[0] == 2
    labels = design.labels.copy()
    labels[inside] = 1 - labels[inside]
    first, second = (
        Logistic.of(readings, BOTH, one, Clip()).held_out() for one in (design, replace(design, labels=labels))
    )
    np.testing.assert_array_equal(first[0, inside], second[0, inside])
    assert np.abs(first[0, ~inside] - second[0, ~inside]).max() > 0.1


def test_fits_of_the_raw_features_say_what_scikit_learn_says(make_readings: Make) -> None:
    """For each architecture its own scale, one regression for both."""
    readings = [make_readings(name, seed, (THETA, OTHER), planted={1: 2.0}) for seed, name in enumerate(("a", "b"))]
    design = make_design([one.poisoned for one in readings], 0, repeats=1, permutations=1)
    option = len(STRENGTHS) + STRENGTHS.index(0.1)
    fits = Logistic.of(readings, BOTH, design, Clip()).fits(option)
    raw = [BOTH[1].features(one) for one in readings]
    inputs = np.concatenate([StandardScaler().fit_transform(one) for one in raw])
    oracle = LogisticRegression(C=1 / (60 * 0.1), tol=1e-10).fit(inputs, design.labels[:, 0])
    expected = oracle.predict_proba(inputs)[:, 1]
    found = np.concatenate([one.probabilities(features, Clip(0, 1)) for one, features in zip(fits, raw, strict=True)])
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_what_is_concluded_is_the_best_of_the_wanted(make_readings: Make) -> None:
    """The signal is in the margin; the other candidate is tried and told, but not chosen."""
    readings = [make_readings("a", 0, (THETA, OTHER), planted={1: 3.0})]
    design = make_design([readings[0].poisoned], 0, repeats=1, permutations=1)
    margin, accuracy = BOTH
    best = conclude(readings, [accuracy, margin], [], design, Clip())
    assert (best.candidate, best.useful) == (margin, True)
    other = conclude(readings, [accuracy], [margin], design, Clip())
    assert other.candidate == accuracy
    np.testing.assert_allclose(other.tried, best.tried)
    assert other.tried[1] < other.tried[0]


def test_the_strongest_penalty_leaves_the_base_rate(make_readings: Make) -> None:
    """Where labels are noise it is mostly chosen, and said to be useless."""
    useful = []
    for seed in range(10):
        readings = [make_readings("a", seed, (THETA, OTHER), models=40)]
        design = make_design([readings[0].poisoned], 0, repeats=1, permutations=1)
        best = conclude(readings, BOTH[1:], [], design, Clip())
        useful.append(best.useful)
        if not best.useful:
            answers = best.fits[0].probabilities(BOTH[1].features(readings[0]), Clip())
            np.testing.assert_allclose(answers, 0.5, atol=0.01)
    assert 0 < sum(useful) < 6


def test_answers_are_blind_to_the_labels_of_models_that_they_are_not_fitted_on(make_readings: Make) -> None:
    readings = [make_readings("a", 0, (THETA, OTHER), planted={1: 2.0})]
    design = make_design([readings[0].poisoned], 0, repeats=1, permutations=1)
    rows = np.arange(30) < 20
    turned = replace(design, labels=np.where(rows[:, None], design.labels, 1 - design.labels))
    one, other = (Logistic.of(readings, BOTH, each, Clip()).answers(rows) for each in (design, turned))
    np.testing.assert_array_equal(one, other)
    assert roc_auc_score(design.labels[~rows, 0], one[~rows, 0]) > 0.8
