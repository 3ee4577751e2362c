"""A study: folds that its smallest class allows, and the design that its numbers ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from detector.learning.evaluation.design import make_design
from detector.learning.study import Study, folds_of
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.rounds.preprocessing import PROFILES
from detector.sweep.readings import ArchitectureReadings

Make = Callable[..., ArchitectureReadings]
THETA = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, 3, 10)
STUDY = Study(PROFILES["small"], 8, seed=3, round_name="by hand", doubtful=("id-00000001",), repeats=2, permutations=7)


@pytest.fixture
def readings(make_readings: Make) -> ArchitectureReadings:
    made = make_readings("resnet18", 0, (THETA,), models=12)
    return replace(made, poisoned=np.array([1] * 4 + [0] * 8))


def test_folds_are_as_many_as_the_rarest_class_allows(readings: ArchitectureReadings) -> None:
    even = replace(readings, poisoned=np.array([0, 1] * 6))
    assert (folds_of(readings), folds_of(even), folds_of(even, readings)) == (4, 5, 4)


def test_the_design_is_that_of_its_numbers(readings: ArchitectureReadings) -> None:
    made = STUDY.design([readings, readings])
    by_hand = make_design([readings.poisoned] * 2, 3, folds=4, repeats=2, permutations=7)
    np.testing.assert_array_equal(made.folds.numbers, by_hand.folds.numbers)
    np.testing.assert_array_equal(made.labels, by_hand.labels)
    assert made.labels.shape == (24, 8)
    assert made.folds.numbers.shape == (2, 24)


def test_what_it_says_of_models(readings: ArchitectureReadings) -> None:
    assert STUDY.too_few(readings) == ""
    assert replace(STUDY, min_models=13).too_few(readings) == "fewer than 13 models"
    assert STUDY.notes(readings) == ("1 of the models fail at their clean examples before pruning.",)
    assert replace(STUDY, doubtful=()).notes(readings) == ()
