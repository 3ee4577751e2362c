"""What is tried, what is too slow, and which thetas are measured together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from detector.learning.search.candidates import (
    SIGNALS_TOGETHER,
    SIGNALS_UNPRUNED,
    Candidate,
    affordable,
    all_candidates,
    paper_candidates,
    sets_together,
    signals_left_out,
)
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.signals.features import Reduction
from detector.signals.registry import SIGNALS, VariantSignal, per_variant
from detector.sweep.readings import ArchitectureReadings

Make = Callable[..., ArchitectureReadings]
SMALL = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, 5, 10)
TRIM = replace(SMALL, pruning_method=PruningMethod.TRIM)
LARGE = replace(SMALL, num_pruned_models=8, num_images=20)
GRID = (SMALL, TRIM, LARGE, replace(TRIM, num_images=20))


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
    usual: tuple[Theta, ...] = (
        SMALL,
        replace(SMALL, p=0.3),
        TRIM,
        replace(SMALL, pruning_method=PruningMethod.AMPLIFY),
    )
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


def test_what_takes_longer_than_the_budget_is_left_out(make_readings: Make) -> None:
    """0.1 s for each image and variant: 5 s and 10 s, and 16 s for the large one. One slow model is no reason."""
    readings = make_readings("resnet18", 0, GRID)
    assert affordable([readings], 10.0) == (SMALL, TRIM, GRID[3])
    slow = tuple(np.where(np.arange(30) == 0, 99.0, seconds) for seconds in readings.seconds)
    assert affordable([replace(readings, seconds=slow)], 16.0) == GRID
    assert affordable([readings, make_readings("vgg11bn", 0, (TRIM, LARGE))], 60.0) == (TRIM, LARGE)


def test_signals_that_are_no_reading_of_the_measurements_are_left_out_and_told(make_readings: Make) -> None:
    """A new one, one of another version, and a network's own: the search is that of the others."""
    before = all_candidates(GRID, [GRID[:2]])
    readings = make_readings("resnet18", 0, GRID)
    assert signals_left_out([readings]) == {}
    older = replace(make_readings("vgg11bn", 0, GRID), versions={**readings.versions, "margin": 7, "attraction": 7})
    with SIGNALS.with_entry(VariantSignal("later", 1, lambda answers: answers.logits[:, 0, 0])):
        left_out = signals_left_out([readings, older])
        assert list(left_out) == ["margin", "later", "attraction"]
        assert "'later' is not among what was measured" in left_out["later"]
        assert "'margin' was read by its version 7, it is version 1 now" in left_out["margin"]
        assert all_candidates(GRID, [GRID[:2]], ["later"]) == before
        candidates = all_candidates(GRID, [GRID[:2]], left_out)
        for candidate in candidates:
            assert np.isfinite(candidate.features(older)).all()
    rest = tuple(name for name in per_variant() if name != "margin")
    assert {one.signals for one in candidates if len(one.thetas) > 1} == {("accuracy",), SIGNALS_TOGETHER[2], rest}
    assert len(candidates) == 2 - 1 + 4 * (6 * 3 + 6) + 3


def test_nothing_is_left_where_no_signal_was_measured() -> None:
    """Of no signal there is no candidate."""
    assert all_candidates(GRID, [GRID[:2]], [*per_variant(), *SIGNALS_UNPRUNED, "classifier_weights"]) == ()
