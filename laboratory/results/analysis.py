"""All that is published about a round of measured models, as data.

Every figure is held out, and the permutation test beside it repeats the search that it belongs to; what is computed
in-sample is called so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from detector.learning.evaluation.design import Design, make_design
from detector.learning.evaluation.folds import FOLDS, REPEATS
from detector.learning.evaluation.metrics import Difference, Metrics, difference, judge
from detector.learning.evaluation.permutation import PERMUTATIONS
from detector.learning.regressions import Regression, Searched, learn_all, search_all
from detector.learning.search.candidates import affordable
from detector.learning.search.procedures import (
    LEAK,
    PAPER,
    PUBLISHED,
    UNPRUNED,
    HeldOut,
    Procedure,
    all_answers,
    published,
)
from detector.pruning.theta import Theta
from detector.sweep.readings import ArchitectureReadings
from laboratory.results.controls import InSample, LearningPoint, in_sample, learning_curve
from laboratory.results.sources import BySources, judge_by_sources
from laboratory.results.starts import OtherStarts, judge_other_starts
from laboratory.results.timing import Timing, timing
from laboratory.results.unseen import Unseen, judge_unseen

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Effort:
    """How much is repeated; `seed` decides about folds, permutations, resamples and the draws of the learning curve."""

    repeats: int = REPEATS
    permutations: int = PERMUTATIONS
    draws: int = 8
    seed: int = 0


@dataclass(frozen=True)
class Made:
    """Of one model: the number of the network that training began at, and on which classes the trigger works."""

    start: int
    sources: str


@dataclass(frozen=True)
class Row:
    """Figures of one procedure, on the models of one architecture or (None) of all."""

    procedure: Procedure
    architecture: str | None
    metrics: Metrics


@dataclass(frozen=True)
class Results:
    """What the page, the figures and the bundle are made of.

    Attributes
    ----------
    left_out, too_slow
        Architectures with too few models, and points of the search space beyond the time budget.
    beyond_leak, beyond_unpruned
        By how much the published procedure beats the control, and what the unpruned network's answers tell alone.
    searches
        What ridge regression was tried on, pooled and by architecture.
    fresh, unseen
        What the learned regressions say of the rounds that nothing was fitted on; None where there is no such round.
    unseen_alone
        Figures of the same procedure on the models of `unseen` alone; None where they are too few.
    """

    effort: Effort
    readings: tuple[ArchitectureReadings, ...]
    left_out: tuple[str, ...]
    too_slow: tuple[Theta, ...]
    rows: tuple[Row, ...]
    beyond_leak: Difference
    beyond_unpruned: Difference
    in_sample: tuple[InSample, ...]
    curve: tuple[LearningPoint, ...]
    timings: tuple[Timing, ...]
    searches: tuple[Searched, ...]
    learned: tuple[Regression, ...]
    other_starts: OtherStarts | None
    by_sources: tuple[BySources, ...]
    fresh: Unseen | None
    unseen: Unseen | None
    unseen_alone: Metrics | None

    def metrics(self, procedure: Procedure, architecture: str | None = None) -> Metrics:
        """The figures of one procedure; KeyError if there are none."""
        found = {(row.procedure, row.architecture): row.metrics for row in self.rows}
        return found[procedure, architecture]


def analyse(
    measured: Sequence[ArchitectureReadings],
    fresh: Sequence[ArchitectureReadings],
    unseen: Sequence[ArchitectureReadings],
    effort: Effort,
    made: Mapping[str, Made] = MappingProxyType({}),
) -> Results:
    """Everything about the models of a round, and about those of two others that nothing is fitted on.

    `fresh` is a round of the same kind, `unseen` one with another family of triggers. `made` says how models were made,
    by name, as far as that is known.

    Raises
    ------
    ValueError
        No architecture has enough models of both classes.
    """
    readings = tuple(one for one in measured if _enough(one))
    if not readings:
        raise ValueError(f"expected an architecture with at least {FOLDS} clean and {FOLDS} poisoned models")
    design, seed = _design(readings, effort), effort.seed
    answers = all_answers(readings, design)
    learned = learn_all(readings, design)
    return Results(
        effort=effort,
        readings=readings,
        left_out=tuple(one.architecture for one in measured if not _enough(one)),
        too_slow=tuple(theta for theta in readings[0].thetas if theta not in affordable(readings)),
        rows=_rows(answers, design, readings, seed),
        beyond_leak=_beyond(answers, LEAK, design, seed),
        beyond_unpruned=_beyond(answers, UNPRUNED, design, seed),
        in_sample=tuple(in_sample(one, affordable([one]), seed) for one in readings),
        curve=learning_curve(published(readings, design), effort.draws, seed),
        timings=tuple(map(timing, readings)),
        searches=(
            search_all(readings, design),
            *(search_all([one], design.part(number)) for number, one in enumerate(readings)),
        ),
        learned=learned,
        other_starts=judge_other_starts(readings, design, {name: one.start for name, one in made.items()}),
        by_sources=judge_by_sources(
            answers[PUBLISHED], design.labels, readings, {name: one.sources for name, one in made.items()}, seed
        ),
        fresh=judge_unseen(learned, fresh, seed),
        unseen=judge_unseen(learned, unseen, seed),
        unseen_alone=_alone([one for one in unseen if _enough(one)], effort),
    )


def _design(readings: Sequence[ArchitectureReadings], effort: Effort) -> Design:
    labels = [one.poisoned for one in readings]
    return make_design(labels, effort.seed, repeats=effort.repeats, permutations=effort.permutations)


def _alone(readings: Sequence[ArchitectureReadings], effort: Effort) -> Metrics | None:
    """The published procedure, nested on these models and no others."""
    if not readings:
        return None
    design = _design(readings, effort)
    return judge(published(readings, design).held_out(), design.labels, effort.seed)


def _enough(readings: ArchitectureReadings) -> bool:
    return int(np.bincount(readings.poisoned, minlength=2).min()) >= FOLDS


def _beyond(answers: HeldOut, other: Procedure, design: Design, seed: int) -> Difference:
    return difference(answers[PUBLISHED][..., 0], answers[other][..., 0], design.labels[:, 0], seed)


def _rows(answers: HeldOut, design: Design, readings: Sequence[ArchitectureReadings], seed: int) -> tuple[Row, ...]:
    """All procedures on all models, and the most important ones on those of each architecture."""
    rows = [Row(procedure, None, judge(found, design.labels, seed)) for procedure, found in answers.items()]
    for number, one in enumerate(readings):
        own = design.architecture == number
        for procedure in (PUBLISHED, PAPER, LEAK):
            metrics = judge(answers[procedure][:, own], design.labels[own], seed)
            rows.append(Row(procedure, one.architecture, metrics))
    return tuple(rows)
