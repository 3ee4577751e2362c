"""What is selected on all models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from detector.learning.evaluation.design import make_design
from detector.learning.search.candidates import Candidate
from detector.learning.search.selected import select
from detector.mapping.configuration import Clip
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


def test_what_is_selected_is_the_best_of_the_wanted(make_readings: Make) -> None:
    """The signal is in the margin; the other candidate is tried and told, but not chosen."""
    readings = [make_readings("a", 0, (THETA, OTHER), planted={1: 3.0})]
    design = make_design([readings[0].poisoned], 0, repeats=1, permutations=1)
    margin, accuracy = BOTH
    best = select(readings, [accuracy, margin], [], design, Clip())
    assert (best.candidate, best.useful) == (margin, True)
    other = select(readings, [accuracy], [margin], design, Clip())
    assert other.candidate == accuracy
    np.testing.assert_allclose(other.tried, best.tried)
    assert other.tried[1] < other.tried[0]


def test_the_largest_penalty_leaves_the_base_rate(make_readings: Make) -> None:
    """Where labels are noise it is mostly chosen, and said to be useless."""
    useful = []
    for seed in range(10):
        readings = [make_readings("a", seed, (THETA, OTHER), models=40)]
        design = make_design([readings[0].poisoned], 0, repeats=1, permutations=1)
        best = select(readings, BOTH[1:], [], design, Clip())
        useful.append(best.useful)
        if not best.useful:
            answers = best.fits[0].probabilities(BOTH[1].features(readings[0]), Clip())
            np.testing.assert_allclose(answers, 0.5, atol=0.01)
    assert 0 < sum(useful) < 6
