"""Which candidates each procedure chooses among."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from detector.learning.search.candidates import (
    SIGNALS_BESIDE,
    SIGNALS_TOGETHER,
    all_candidates,
)
from detector.learning.search.procedures import Family, cheaper_candidates, families, published_candidates
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.signals.features import Reduction
from detector.signals.registry import per_variant
from detector.sweep.readings import ArchitectureReadings, MissingSignalError

Make = Callable[..., ArchitectureReadings]
SMALL = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, 5, 10)
TRIM = replace(SMALL, pruning_method=PruningMethod.TRIM)
LARGE = replace(SMALL, num_pruned_models=8, num_images=20)
GRID = (SMALL, TRIM, LARGE, replace(TRIM, num_images=20))


def test_thetas_together_are_those_of_most_methods(make_readings: Make) -> None:
    """Not the set of pruning, however long; of one theta, where no set fits, the same signals."""
    amplified = replace(SMALL, pruning_method=PruningMethod.AMPLIFY)
    several = [(SMALL, amplified), (SMALL, replace(SMALL, p=0.2), replace(SMALL, p=0.3))]
    candidates = all_candidates((*several[1], amplified), several)
    together = [one for one, member in zip(candidates, families(candidates)[Family.TOGETHER], strict=True) if member]
    assert {one.thetas for one in together} == {several[0]}
    assert [one.signals for one in together] == [*SIGNALS_TOGETHER, per_variant()]
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


def test_a_published_signal_that_was_not_measured_is_told(make_readings: Make) -> None:
    readings = make_readings("resnet18", 0, (SMALL, TRIM))
    lacking = replace(readings, versions={**readings.versions, "attraction": 0})
    with pytest.raises(MissingSignalError, match=r"resnet18: the signal 'attraction' was read by its version 0"):
        published_candidates([lacking])
    without_margin = replace(readings, versions={**readings.versions, "margin": 0})
    with pytest.raises(MissingSignalError, match="'margin'"):
        published_candidates([without_margin])
