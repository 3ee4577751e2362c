"""When there are too few models, and the note on those that fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from detector.learning.learned import doubtful_note, fewest_in_a_class, learned, too_few
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.sweep.readings import ArchitectureReadings

Make = Callable[..., ArchitectureReadings]
THETA = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, 3, 10)


@pytest.fixture
def readings(make_readings: Make) -> ArchitectureReadings:
    made = make_readings("resnet18", 0, (THETA,), models=10)
    return replace(made, poisoned=np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0]))


def test_too_few(readings: ArchitectureReadings) -> None:
    assert fewest_in_a_class(readings) == 3
    assert too_few(readings, 10) == ""
    assert too_few(readings, 11) == "fewer than 11 models"
    assert too_few(replace(readings, poisoned=1 - readings.poisoned), 10) == ""
    assert too_few(replace(readings, poisoned=np.array([1, 1] + [0] * 8)), 10) == "fewer than 3 models of one class"
    assert too_few(replace(readings, poisoned=np.zeros(10, dtype=np.int64)), 10) == "fewer than 3 models of one class"


def test_the_result_counts_models(readings: ArchitectureReadings) -> None:
    found = learned(readings, None, "why")
    assert (found.architecture, found.num_models, found.num_poisoned, found.reason) == ("resnet18", 10, 3, "why")


def test_the_note_counts_models_of_this_architecture(readings: ArchitectureReadings) -> None:
    (note,) = doubtful_note(readings, ["id-00000003", "id-00000009", "id-00000077"])
    assert note.startswith("2 of the models fail")
    assert doubtful_note(readings, ["id-00000077"]) == ()
