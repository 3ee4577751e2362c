"""Candidates and the two stages of the search: what is tried, what is too slow, and that a planted signal is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from detector.learning.search.candidates import (
    SIGNALS_BESIDE,
    SIGNALS_TOGETHER,
    SIGNALS_UNPRUNED,
    Bank,
    Candidate,
    affordable,
    all_candidates,
    paper_candidates,
    sets_together,
)
from detector.learning.search.procedures import Family, cheaper_candidates, families, published_candidates
from detector.learning.search.searching import RIDGE_STRENGTHS, Fits
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.signals.features import Reduction
from detector.signals.registry import per_variant
from detector.sweep.readings import ArchitectureReadings

Make = Callable[..., ArchitectureReadings]
SMALL = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, 5, 10)
TRIM = replace(SMALL, pruning_method=PruningMethod.TRIM)
LARGE = replace(SMALL, num_pruned_models=8, num_images=20)
GRID = (SMALL, TRIM, LARGE, replace(TRIM, num_images=20))


def searched(readings: ArchitectureReadings, bank: Bank, family: np.ndarray | None = None) -> Candidate:
    count = len(readings.names)
    everyone, architecture = np.arange(count), np.zeros(count, dtype=np.int64)
    fits = Fits.of(bank, architecture, readings.poisoned[:, None], everyone, everyone[:1], RIDGE_STRENGTHS)
    choice = fits.search(np.ones(len(bank.candidates), dtype=bool) if family is None else family)
    return bank.candidates[choice.candidate[0]]


def test_everything_is_tried() -> None:
    candidates = all_candidates(GRID)
    assert len(set(candidates)) == len(candidates)
    assert len(candidates) == 2 + 4 * (7 * 3 + 7 + 2)
    alone = [one for one in candidates if not one.pruned]
    assert [one.signals for one in alone] == [("classifier_weights",), SIGNALS_UNPRUNED]
    assert [one.thetas for one in alone] == [(SMALL,)] * 2
    assert Candidate((TRIM,), per_variant(), Reduction.VARIANTS) in candidates
    amplified = replace(SMALL, pruning_method=PruningMethod.AMPLIFY)
    assert [one.thetas[0] for one in paper_candidates((*GRID, amplified))] == list(GRID)


def test_thetas_that_are_measured_together_fit_the_budget_together(make_readings: Make) -> None:
    """5 s each at the usual size: both Resets and Trim take 15 s, with Amplify 20; a lonely Stimulate is no set."""
    usual = (SMALL, replace(SMALL, p=0.3), TRIM, replace(SMALL, pruning_method=PruningMethod.AMPLIFY))
    usual = tuple(replace(theta, num_pruned_models=5, num_images=10) for theta in usual)
    thetas = (*usual, LARGE, replace(SMALL, pruning_method=PruningMethod.STIMULATE, num_images=77))
    readings = make_readings("resnet18", 0, thetas)
    assert sets_together([readings], thetas, 21.0) == (usual, usual[:3])
    assert sets_together([readings], thetas, 14.0) == (usual[::2], usual[:2])
    slower = replace(readings, seconds=tuple(2 * one for one in readings.seconds))
    assert sets_together([readings, slower], thetas, 21.0) == (usual[::2], usual[:2])
    assert sets_together([slower], thetas, 19.0) == ()
    candidates = all_candidates(thetas, [usual])
    several = [one for one in candidates if len(one.thetas) > 1]
    assert len(several) == 4 + 2
    assert Candidate(usual, ("accuracy", "lowest_recall"), Reduction.MEAN) in several
    features = several[0].features(readings)
    np.testing.assert_allclose(features[:, 0], readings.variants[0][:, :, 0].mean(axis=1))


def test_of_a_theta_with_several_sizes_the_first_is_measured_together(make_readings: Make) -> None:
    """As when the second stage has added other |S| of one that the grid holds."""
    other = replace(TRIM, num_pruned_models=7)
    thetas = (SMALL, other, replace(other, num_pruned_models=9), replace(SMALL, num_images=30))
    assert sets_together([make_readings("resnet18", 0, thetas)], thetas) == ((SMALL, other),)


def test_thetas_together_are_those_of_most_methods(make_readings: Make) -> None:
    """Not the set of pruning, however long; of one theta, where no set fits, the same signals."""
    amplified = replace(SMALL, pruning_method=PruningMethod.AMPLIFY)
    several = [(SMALL, amplified), (SMALL, replace(SMALL, p=0.2), replace(SMALL, p=0.3))]
    candidates = all_candidates((*several[1], amplified), several)
    together = [one for one, member in zip(candidates, families(candidates)[Family.TOGETHER], strict=True) if member]
    assert {one.thetas for one in together} == {several[0]}
    assert [one.signals for one in together] == list(SIGNALS_TOGETHER)
    alone = all_candidates(several[1])
    chosen = [one for one, member in zip(alone, families(alone)[Family.TOGETHER], strict=True) if member]
    assert len(chosen) == 3 * 2  # the accuracy, and all signals
    assert {one.reduction for one in chosen} == {Reduction.MEAN}


def test_what_is_published_is_any_set_beside_the_network_as_it_is(make_readings: Make) -> None:
    """Of one theta, where no set fits; single ones are cheaper."""
    amplified = [replace(SMALL, pruning_method=PruningMethod.AMPLIFY, p=p) for p in (0.1, 0.2)]
    readings = make_readings("resnet18", 0, (SMALL, *amplified))
    published = published_candidates([readings])
    assert {one.thetas for one in published} == {(SMALL, *amplified), tuple(amplified)}
    assert [one.signals for one in published] == [signals for _ in range(2) for signals in SIGNALS_BESIDE]
    cheaper = cheaper_candidates([readings])
    assert [one.thetas for one in cheaper] == [(theta,) for theta in readings.thetas for _ in SIGNALS_BESIDE]
    lonely = [make_readings("resnet18", 0, (SMALL,))]
    assert [one.thetas for one in published_candidates(lonely)] == [(SMALL,)] * 2
    assert cheaper_candidates(lonely) == []


def test_what_takes_longer_than_the_budget_is_left_out(make_readings: Make) -> None:
    """0.1 s for each image and variant: 5 s and 10 s, and 16 s for the large one. One slow model is no reason."""
    readings = make_readings("resnet18", 0, GRID)
    assert affordable([readings], 10.0) == (SMALL, TRIM, GRID[3])
    slow = tuple(np.where(np.arange(30) == 0, 99.0, seconds) for seconds in readings.seconds)
    assert affordable([replace(readings, seconds=slow)], 16.0) == GRID
    assert affordable([readings, make_readings("vgg11bn", 0, (TRIM, LARGE))], 60.0) == (TRIM, LARGE)


def test_features_are_in_the_order_of_the_candidates(make_readings: Make) -> None:
    readings = [make_readings("resnet18", 0, GRID), make_readings("vgg11bn", 1, GRID)]
    bank = Bank.of(readings, all_candidates(GRID))
    features = [candidate for block in bank.blocks for candidate in block]
    assert len(features) == len(bank.candidates)
    for candidate, made in zip(bank.candidates, features, strict=True):
        np.testing.assert_array_equal(made[30:], candidate.features(readings[1]))
    accuracies = bank.candidates.index(Candidate((LARGE,), ("accuracy",), Reduction.VARIANTS))
    np.testing.assert_array_equal(features[accuracies][:30], readings[0].variants[2][:, :, 0])


@pytest.mark.parametrize("planted", [0, 1])
def test_a_planted_signal_is_found(planted: int, make_readings: Make) -> None:
    readings = make_readings("resnet18", 2, GRID, models=40, planted={planted: 3.0})
    best = searched(readings, Bank.of([readings], all_candidates(GRID)))
    assert best.thetas[0] == GRID[planted]
    assert "margin" in best.signals


def test_the_second_stage_is_bound_to_the_first_ones_theta_error(make_readings: Make) -> None:
    """The clearest signal is at the large Reset, but at the usual |S| and |D| Trim is better: it decides."""
    usual = (SMALL, TRIM, replace(SMALL, ranking_method=RankingMethod.L2))
    thetas = (*usual, LARGE, replace(TRIM, num_images=20))
    readings = make_readings("resnet18", 3, thetas, models=40, planted={3: 4.0, 1: 1.5, 4: 3.0})
    bank = Bank.of([readings], all_candidates(thetas))
    assert searched(readings, bank).thetas[0] == thetas[4]
    clearer = make_readings("resnet18", 3, thetas, models=40, planted={3: 4.0, 0: 3.0, 1: 1.5})
    assert searched(clearer, Bank.of([clearer], all_candidates(thetas))).thetas[0] == LARGE


def test_a_theta_without_the_usual_size_competes_at_its_smallest(make_readings: Make) -> None:
    lonely = replace(SMALL, pruning_method=PruningMethod.REMOVE, num_pruned_models=7)
    thetas = (SMALL, TRIM, replace(lonely, num_images=30), replace(lonely, num_images=15))
    candidates = paper_candidates(thetas)
    bank = Bank.of([make_readings("resnet18", 0, thetas)], candidates)
    reference = {bank.candidates[number].thetas[0] for number in np.flatnonzero(bank.reference)}
    assert reference == {SMALL, TRIM, thetas[3]}


def test_a_family_is_searched_alone(make_readings: Make) -> None:
    readings = make_readings("resnet18", 2, GRID, models=40, planted={0: 3.0})
    bank = Bank.of([readings], all_candidates(GRID))
    family = np.array([one.thetas[0].pruning_method is PruningMethod.TRIM and one.pruned for one in bank.candidates])
    assert searched(readings, bank, family).thetas[0].pruning_method is PruningMethod.TRIM
