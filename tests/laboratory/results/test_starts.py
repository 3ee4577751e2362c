"""Models of another start: what is known of the networks themselves does not help with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from detector.learning.evaluation.design import Design, make_design
from detector.sweep.readings import ArchitectureReadings
from laboratory.results.starts import judge_other_starts

Make = Callable[..., Sequence[ArchitectureReadings]]


def design_of(readings: Sequence[ArchitectureReadings]) -> Design:
    return make_design([one.poisoned for one in readings], 0, repeats=1, permutations=19)


def halves(readings: Sequence[ArchitectureReadings]) -> dict[str, int]:
    return {name: number % 2 for one in readings for number, name in enumerate(one.names)}


def test_a_signal_of_trojans_reaches_other_starts(make_round: Make) -> None:
    readings = make_round(0, 2.5)
    found = judge_other_starts(readings, design_of(readings), halves(readings))
    assert found is not None
    assert list(found.aucs) == [0, 1]
    assert min(found.aucs.values()) > 0.8
    assert found.p_value == 0.05


def test_a_signal_that_turns_with_the_start_does_not(make_round: Make) -> None:
    """Poisoned models of the second start have the reading that clean ones of the first have, and the other way."""
    readings = make_round(0, 0.0)
    turned = []
    for one in readings:
        sign = np.where(np.arange(len(one.names)) % 2, -1.0, 1.0) * (2 * one.poisoned - 1)
        variants = tuple(array + 2.0 * sign[:, None, None] for array in one.variants)
        turned.append(replace(one, variants=variants))
    found = judge_other_starts(turned, design_of(turned), halves(turned))
    assert found is not None
    assert max(found.aucs.values()) < 0.2


@pytest.mark.parametrize("keep", [0, 1])
def test_nothing_is_said_where_starts_are_not_known(make_round: Make, keep: int) -> None:
    """Of no model, and of all the same."""
    readings = make_round(0, 2.5)
    starts = {name: 0 for one in readings for name in one.names} if keep else {"id-00000000": 1}
    assert judge_other_starts(readings, design_of(readings), starts) is None
