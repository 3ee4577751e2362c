"""The automatic configuration: the published procedure on a grid of thetas, judged as the published results are.

The same procedure, on the caller's round, that the default bundle was learned and judged with. All architectures are
pooled, and measured alike, so the slowest of them decides how many thetas fit the time; where no theta fits it for all
of them, each is searched alone.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from detector import __version__
from detector.learning.evaluation.design import Design, make_design
from detector.learning.evaluation.folds import FOLDS, REPEATS
from detector.learning.evaluation.metrics import Metrics, judge
from detector.learning.evaluation.permutation import PERMUTATIONS
from detector.learning.learned import Learned, doubtful_note, fewest_in_a_class, learned, too_few
from detector.learning.regressions import Regression, learn_all, make_parameters
from detector.learning.search.candidates import affordable, signals_left_out
from detector.learning.search.procedures import published
from detector.mapping.parameters import LearnedParameters
from detector.pruning.theta import Theta
from detector.rounds.preprocessing import Preprocessing
from detector.sweep.readings import ArchitectureReadings

_log = logging.getLogger(__name__)

_TOO_SLOW = "no measurement fits the time budget of a detection on this machine"
_NO_BETTER = "what was measured does not beat the base rate on models held out"


@dataclass(frozen=True)
class Search:
    """How to search; `doubtful` names the models that fail before pruning."""

    preprocessing: Preprocessing
    min_models: int
    seed: int
    round_name: str
    doubtful: Collection[str] = ()
    repeats: int = REPEATS
    permutations: int = PERMUTATIONS


def winners(readings: Sequence[ArchitectureReadings], search: Search) -> tuple[Theta, ...]:
    """theta_error: the thetas whose other |S| and |D| are worth measuring for the second stage.

    Where the best configuration takes several thetas together, the costliest behind it that takes one.
    """
    usable = [own for own in readings if not _unusable(own, search)]
    regressions = [fitted for pool in _pools(usable) for fitted in learn_all(pool, _design(pool, search))]
    options = [
        (fitted.selected.candidate.thetas, *(configuration.thetas for configuration in fitted.cheaper))
        for fitted in regressions
    ]
    single = [[thetas[0] for thetas in some if len(thetas) == 1] for some in options]
    return tuple(dict.fromkeys(thetas[0] for thetas in single if thetas))


def learn_automatically(readings: Sequence[ArchitectureReadings], search: Search) -> list[Learned]:
    """One result for each architecture, in their order: the best of everything that was tried, or why there is none."""
    reasons = {own.architecture: _unusable(own, search) for own in readings}
    usable = [own for own in readings if not reasons[own.architecture]]
    found = {result.architecture: result for pool in _pools(usable) for result in _searched(pool, search)}
    return [found.get(own.architecture) or learned(own, None, reasons[own.architecture]) for own in readings]


def _pools(readings: Sequence[ArchitectureReadings]) -> list[list[ArchitectureReadings]]:
    """The architectures that are fitted together."""
    if readings and affordable(readings):
        return [list(readings)]
    return [[own] for own in readings]


def _unusable(readings: ArchitectureReadings, search: Search) -> str:
    return too_few(readings, search.min_models) or ("" if affordable([readings]) else _TOO_SLOW)


def _design(readings: Sequence[ArchitectureReadings], search: Search) -> Design:
    labels = [own.poisoned for own in readings]
    folds = min(FOLDS, *map(fewest_in_a_class, readings))
    return make_design(labels, search.seed, folds=folds, repeats=search.repeats, permutations=search.permutations)


def _searched(readings: Sequence[ArchitectureReadings], search: Search) -> list[Learned]:
    design = _design(readings, search)
    _log.info("searching %d points of %d architectures", len(readings[0].thetas), len(readings))
    left_out = tuple(f"Left out of the search: {reason}." for reason in signals_left_out(readings).values())
    for note in left_out:
        _log.warning("%s", note)
    regressions = learn_all(readings, design)
    _log.info("judging the search by %d permutations", search.permutations)
    answers = published(readings, design).held_out()
    results = []
    for number, regression in enumerate(regressions):
        own = design.architecture == number
        metrics = judge(answers[:, own], design.labels[own], search.seed)
        parameters = _parameters(regression, metrics, search, left_out)
        reason = "" if parameters else _NO_BETTER
        results.append(learned(regression.readings, parameters, reason, answers[:, own]))
    return results


def _parameters(
    regression: Regression, held_out: Metrics, search: Search, left_out: Sequence[str]
) -> LearnedParameters | None:
    source = f"entrypoint.py configure --automatic_configuration, version {__version__}, seed {search.seed}"
    parameters = make_parameters(regression, search.round_name, search.preprocessing, held_out, source)
    if parameters is None:
        return None
    notes = (*doubtful_note(regression.readings, search.doubtful), *left_out, *parameters.provenance.notes)
    return replace(parameters, provenance=replace(parameters.provenance, notes=notes))
