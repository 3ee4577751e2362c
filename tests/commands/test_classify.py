"""Whether a network is wrong on its clean examples: what counts as wrong, and from when on it is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detector.commands.classify import wrongly_answered
from detector.mapping.configuration import Configuration
from detector.measurement.model_under_test import MeasuredLogits
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.signals.features import Reduction

THETA = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, 2, 20)
UNKNOWN = Configuration.of((THETA,), ("accuracy",), Reduction.MEAN, "logistic", 0.0, [1.0])
KNOWN = replace(UNKNOWN, experience=((UNKNOWN.features[0], (0.0, 1.0)),))


def logits(wrong: int, row: tuple[float, ...]) -> MeasuredLogits:
    """20 images of class 0, the first of them answered with this row, the others rightly."""
    unpruned = np.array([row] * wrong + [(1.0, 0.0, 0.0)] * (20 - wrong), dtype=np.float32)
    names = tuple(f"class_0_example_{number}.png" for number in range(20))
    return MeasuredLogits(unpruned, np.empty((0, 20, 3), np.float32), np.zeros(20, np.int64), names)


@pytest.mark.parametrize("row", [(0.0, 1.0, 0.0), (1.0, 1.0, 0.0), (0.0, 0.0, 0.0), (2.0, np.nan, 0.0)])
def test_another_class_equal_classes_and_nan_are_wrong(row: tuple[float, ...]) -> None:
    (told,) = wrongly_answered(KNOWN, logits(2, row))
    assert (told.code, told.evidence) == (
        "many_wrong_answers",
        {"examples": ["class_0_example_0.png", "class_0_example_1.png"]},
    )
    assert "wrong on 2 of 20 clean examples" in told.message


def test_less_than_one_in_ten_is_not_told_nor_where_nothing_is_known_of_experience() -> None:
    row = (0.0, 1.0, 0.0)
    assert wrongly_answered(KNOWN, logits(1, row)) == ()
    assert wrongly_answered(UNKNOWN, logits(20, row)) == ()
    assert wrongly_answered(KNOWN, logits(20, (5.0, 1.0, 0.0))) == ()
