"""Candidates and the two stages of the search: what is tried, what is too slow, and that a planted signal is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from detector.learning.search.candidate_features import CandidateFeatures
from detector.learning.search.candidates import (
    Candidate,
    all_candidates,
)
from detector.learning.search.searching import RIDGE_PENALTIES, Fits
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.sweep.readings import ArchitectureReadings

Make = Callable[..., ArchitectureReadings]
SMALL = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, 5, 10)
TRIM = replace(SMALL, pruning_method=PruningMethod.TRIM)
LARGE = replace(SMALL, num_pruned_models=8, num_images=20)
GRID = (SMALL, TRIM, LARGE, replace(TRIM, num_images=20))


def searched(
    readings: ArchitectureReadings, features: CandidateFeatures, family: np.ndarray | None = None
) -> Candidate:
    count = len(readings.names)
    everyone, architecture = np.arange(count), np.zeros(count, dtype=np.int64)
    fits = Fits.of(features, architecture, readings.poisoned[:, None], everyone, everyone[:1], RIDGE_PENALTIES)
    choice = fits.search(np.ones(len(features.candidates), dtype=bool) if family is None else family)
    return features.candidates[int(choice.candidate[0])]


@pytest.mark.parametrize("planted", [0, 1])
def test_a_planted_signal_is_found(planted: int, make_readings: Make) -> None:
    readings = make_readings("resnet18", 2, GRID, models=40, planted={planted: 3.0})
    best = searched(readings, CandidateFeatures.of([readings], all_candidates(GRID)))
    assert best.thetas[0] == GRID[planted]
    assert "margin" in best.signals


def test_the_second_stage_is_bound_to_the_first_ones_theta_error(make_readings: Make) -> None:
    """The clearest signal is at the large Reset, but at the usual |S| and |D| Trim is better: it decides."""
    usual = (SMALL, TRIM, replace(SMALL, ranking_method=RankingMethod.L2))
    thetas = (*usual, LARGE, replace(TRIM, num_images=20))
    readings = make_readings("resnet18", 3, thetas, models=40, planted={3: 4.0, 1: 1.5, 4: 3.0})
    features = CandidateFeatures.of([readings], all_candidates(thetas))
    assert searched(readings, features).thetas[0] == thetas[4]
    clearer = make_readings("resnet18", 3, thetas, models=40, planted={3: 4.0, 0: 3.0, 1: 1.5})
    assert searched(clearer, CandidateFeatures.of([clearer], all_candidates(thetas))).thetas[0] == LARGE


def test_a_family_is_searched_alone(make_readings: Make) -> None:
    readings = make_readings("resnet18", 2, GRID, models=40, planted={0: 3.0})
    features = CandidateFeatures.of([readings], all_candidates(GRID))
    family = np.array(
        [one.thetas[0].pruning_method is PruningMethod.TRIM and one.pruned for one in features.candidates]
    )
    assert searched(readings, features, family).thetas[0].pruning_method is PruningMethod.TRIM
