"""Noise is found to be noise through the whole search, a planted signal is found, and nothing sees its own fold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import roc_auc_score

from detector.learning.evaluation.crossvalidation import CrossValidated, better_of, cross_validate
from detector.learning.evaluation.design import make_design
from detector.learning.evaluation.metrics import judge
from detector.learning.search.candidates import Bank, all_candidates, paper_candidates
from detector.learning.search.searching import OLS_STRENGTHS, RIDGE_STRENGTHS
from detector.mapping.parameters import Clip
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.sweep.readings import ArchitectureReadings

Make = Callable[..., ArchitectureReadings]
CLIP = Clip()
GRID = tuple(Theta(method, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, 4, 10) for method in PruningMethod)


def validated(
    readings: list[ArchitectureReadings], permutations: int = 60, repeats: int = 2
) -> tuple[Bank, CrossValidated, np.ndarray]:
    bank = Bank.of(readings, all_candidates(GRID))
    design = make_design([one.poisoned for one in readings], 0, repeats=repeats, permutations=permutations)
    families = {"all": np.ones(len(bank.candidates), dtype=bool)}
    return bank, cross_validate(bank, design, families, RIDGE_STRENGTHS, CLIP)["all"], design.labels


def test_noise_is_noise_held_out_though_in_sample_it_flatters(make_readings: Make) -> None:
    """Over several rounds of noise: AUCs about 0.5, p-values anywhere, and more than 0.8 in-sample."""
    held_out, p_values, in_sample = [], [], []
    for seed in range(6):
        readings = [make_readings("resnet18", seed, GRID)]
        _, found, labels = validated(readings)
        judgement = judge(found.probabilities, labels, 0)
        assert judgement.chance is not None
        held_out.append(judgement.roc_auc)
        p_values.append(judgement.chance.p_roc_auc)
        assert judgement.chance.roc_auc == pytest.approx(0.5, abs=0.06)
        best = max(
            roc_auc_score(labels[:, 0], LinearRegression().fit(x, labels[:, 0]).predict(x))
            for x in (candidate.features(readings[0]) for candidate in paper_candidates(GRID))
        )
        in_sample.append(best)
    assert np.mean(held_out) == pytest.approx(0.5, abs=0.12)
    assert np.mean(p_values) > 0.2
    assert np.mean(in_sample) > 0.7


def test_a_planted_signal_is_found_and_calibrated(make_readings: Make) -> None:
    _, found, labels = validated([make_readings("resnet18", 1, GRID, models=40, planted={3: 2.5})])
    judgement = judge(found.probabilities, labels, 0)
    assert judgement.chance is not None
    assert judgement.roc_auc > 0.9
    assert judgement.cross_entropy < 0.45
    assert judgement.chance.p_roc_auc == judgement.chance.p_cross_entropy == 1 / 61
    assert judgement.chance.cross_entropy > 0.65


def test_pooling_finds_what_is_too_weak_for_each_alone(make_readings: Make) -> None:
    """Shifted and scaled by architecture, as accuracies of different networks are."""
    readings = [make_readings(name, seed, GRID, planted={0: 1.2}) for seed, name in enumerate(("resnet18", "vgg11bn"))]
    readings[1] = replace(readings[1], variants=tuple(50 * each + 7 for each in readings[1].variants))
    _, pooled, labels = validated(readings, permutations=1)
    _, alone, _ = validated(readings[:1], permutations=1)
    together = judge(pooled.probabilities[:, :30, :1], labels[:30, :1], 0)
    assert together.cross_entropy < judge(alone.probabilities[:, :, :1], labels[:30, :1], 0).cross_entropy


def test_nobody_is_judged_by_a_search_that_has_seen_it(make_readings: Make) -> None:
    """Whatever becomes of the features and labels of a fold, others aside, its models' own answers stay a function of
    the rest: with the label of a held-out model turned over, its own answer does not move."""
    readings = make_readings("resnet18", 4, GRID[:2], planted={0: 2.0})
    bank = Bank.of([readings], all_candidates(GRID[:2]))
    design = make_design([readings.poisoned], 0, repeats=1, permutations=0)
    families = {"all": np.ones(len(bank.candidates), dtype=bool)}
    before = cross_validate(bank, design, families, RIDGE_STRENGTHS, CLIP)["all"].probabilities
    fold = design.folds.numbers[0] == 2
    turned = replace(design, labels=np.where(fold[:, None], 1 - design.labels, design.labels))
    after = cross_validate(bank, turned, families, RIDGE_STRENGTHS, CLIP)["all"].probabilities
    np.testing.assert_array_equal(before[0, fold], after[0, fold])
    assert (before[0, ~fold] != after[0, ~fold]).any()


def test_the_papers_regression_without_calibration_by_hand(make_readings: Make) -> None:
    """One theta, so no choice: ordinary least squares fold by fold, clipped."""
    readings = make_readings("resnet18", 5, GRID[:1])
    bank = Bank.of([readings], paper_candidates(GRID[:1]))
    design = make_design([readings.poisoned], 0, repeats=2, permutations=3)
    families = {"paper": np.ones(1, dtype=bool)}
    found = cross_validate(bank, design, families, OLS_STRENGTHS, CLIP, calibrated=False)["paper"]
    inputs = readings.variants[0][:, :, 0]
    for repeat, folds in enumerate(design.folds.numbers):
        for fold in range(5):
            others, held_out = folds != fold, folds == fold
            oracle = LinearRegression().fit(inputs[others], design.labels[others])
            expected = oracle.predict(inputs[held_out]).clip(0.01, 0.99)
            np.testing.assert_allclose(found.probabilities[repeat, held_out], expected, atol=1e-8)


def test_in_each_fold_the_better_inside_is_taken() -> None:
    folds = np.array([[0, 0, 1, 1]])

    def saying(probability: float, losses: list[float]) -> CrossValidated:
        inner = np.array(losses).reshape(1, 2, 1, 1)
        return CrossValidated(np.full((1, 4, 1), probability), inner)

    both = better_of(saying(0.1, [0.5, 0.6]), saying(0.9, [0.4, 0.6]), folds)
    assert both.probabilities[0, :, 0].tolist() == [0.9, 0.9, 0.1, 0.1]
    assert both.inner_losses.ravel().tolist() == [0.4, 0.6]
