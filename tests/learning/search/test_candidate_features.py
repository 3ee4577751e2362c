"""Features stacked by width, in the order of the candidates, and the stages of their search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from detector.learning.search.candidate_features import CandidateFeatures
from detector.learning.search.candidates import (
    Candidate,
    all_candidates,
    paper_candidates,
)
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.signals.features import Reduction
from detector.sweep.readings import ArchitectureReadings

Make = Callable[..., ArchitectureReadings]
SMALL = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, 5, 10)
TRIM = replace(SMALL, pruning_method=PruningMethod.TRIM)
LARGE = replace(SMALL, num_pruned_models=8, num_images=20)
GRID = (SMALL, TRIM, LARGE, replace(TRIM, num_images=20))


def test_features_are_in_the_order_of_the_candidates(make_readings: Make) -> None:
    readings = [make_readings("resnet18", 0, GRID), make_readings("vgg11bn", 1, GRID)]
    features = CandidateFeatures.of(readings, all_candidates(GRID))
    stacked = [candidate for block in features.blocks for candidate in block]
    assert len(stacked) == len(features.candidates)
    for candidate, made in zip(features.candidates, stacked, strict=True):
        np.testing.assert_array_equal(made[30:], candidate.features(readings[1]))
    accuracies = features.candidates.index(Candidate((LARGE,), ("accuracy",), Reduction.VARIANTS))
    np.testing.assert_array_equal(stacked[accuracies][:30], readings[0].variants[2][:, :, 0])


def test_a_theta_without_the_usual_size_competes_at_its_smallest(make_readings: Make) -> None:
    lonely = replace(SMALL, pruning_method=PruningMethod.REMOVE, num_pruned_models=7)
    thetas = (SMALL, TRIM, replace(lonely, num_images=30), replace(lonely, num_images=15))
    candidates = paper_candidates(thetas)
    features = CandidateFeatures.of([make_readings("resnet18", 0, thetas)], candidates)
    reference = {features.candidates[number].thetas[0] for number in np.flatnonzero(features.reference)}
    assert reference == {SMALL, TRIM, thetas[3]}
