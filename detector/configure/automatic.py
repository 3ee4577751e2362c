"""The automatic configuration: the search over a grid of thetas, judged as the published results are, per architecture.

The same procedure, on the caller's round, that the default bundle was learned and judged with (`detector.results`).
Behind the best configuration stand cheaper ones of the same theta, fewer variants or images, for short time budgets.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from detector import __version__
from detector.configure.candidates import Bank, Candidate, affordable
from detector.configure.concluding import conclude
from detector.configure.design import FOLDS, PERMUTATIONS, Design, make_design
from detector.configure.figures import Judgement, judge
from detector.configure.learning import Learned, doubtful_note, nothing_learned, too_few
from detector.configure.readings import ArchitectureReadings
from detector.examples.preprocessing import Preprocessing
from detector.mapping.parameters import Configuration, LearnedParameters
from detector.pruning.theta import Theta
from detector.results.learned import Learned as Regression
from detector.results.learned import learn_all, make_parameters
from detector.results.procedures import CLIP, PUBLISHED, Scope, all_answers

_log = logging.getLogger(__name__)

_TOO_SLOW = "no measurement fits the time budget of a detection on this machine"
_NO_BETTER = "nothing that was tried beats the base rate on models held out"
_NOTE = "The cheaper configurations, for short time budgets, have the same theta and no figures of their own."


@dataclass(frozen=True)
class Search:
    """How to search; `doubtful` names the models that fail before pruning."""

    preprocessing: Preprocessing
    min_models: int
    seed: int
    round_name: str
    doubtful: Collection[str] = ()
    repeats: int = 3
    permutations: int = PERMUTATIONS


def winners(readings: Sequence[ArchitectureReadings], search: Search) -> tuple[Theta, ...]:
    """theta_error of each architecture: the thetas whose other |S| and |D| are worth measuring for the second stage."""
    usable = [one for one in readings if not _unusable(one, search)]
    if not usable:
        return ()
    _, regressions = learn_all(usable, _design(usable, search))
    return tuple(dict.fromkeys(one.conclusion.candidate.theta for one in regressions))


def learn_automatically(readings: Sequence[ArchitectureReadings], search: Search) -> list[Learned]:
    """One result for each architecture, in their order: the best of everything that was tried, or why there is none."""
    reasons = {one.architecture: _unusable(one, search) for one in readings}
    usable = [one for one in readings if not reasons[one.architecture]]
    found = {one.architecture: one for one in _searched(usable, search)} if usable else {}
    return [found.get(one.architecture) or nothing_learned(one, reasons[one.architecture]) for one in readings]


def _unusable(readings: ArchitectureReadings, search: Search) -> str:
    return too_few(readings, search.min_models) or ("" if affordable([readings]) else _TOO_SLOW)


def _design(readings: Sequence[ArchitectureReadings], search: Search) -> Design:
    labels = [one.poisoned for one in readings]
    folds = min(FOLDS, *(int(np.bincount(one, minlength=2).min()) for one in labels))
    return make_design(labels, search.seed, folds=folds, repeats=search.repeats, permutations=search.permutations)


def _searched(readings: Sequence[ArchitectureReadings], search: Search) -> list[Learned]:
    design = _design(readings, search)
    _log.info("searching %d points of %d architectures", len(readings[0].thetas), len(readings))
    _, regressions = learn_all(readings, design)
    _log.info("judging the search by %d permutations", search.permutations)
    answers = all_answers(readings, design)[PUBLISHED]
    results = []
    for number, one in enumerate(regressions):
        own = design.architecture == number
        held_out = judge(answers[:, own], design.labels[own], search.seed)
        parameters = _parameters(one, number, readings, design, held_out, search)
        count, poisoned = len(one.readings.names), int(one.readings.poisoned.sum())
        reason = "" if parameters else _NO_BETTER
        results.append(Learned(one.readings.architecture, count, poisoned, parameters, reason))
    return results


def _parameters(
    one: Regression,
    number: int,
    readings: Sequence[ArchitectureReadings],
    design: Design,
    held_out: Judgement,
    search: Search,
) -> LearnedParameters | None:
    parameters = make_parameters(one, search.round_name, search.preprocessing.name, held_out)
    if parameters is None:
        return None
    if one.scope is Scope.ALONE:
        readings, design, number = [one.readings], design.of(number), 0
    cheaper = [_refitted(candidate, number, readings, design) for candidate in _cheaper(one)]
    notes = (*doubtful_note(one.readings, search.doubtful), *((_NOTE,) if cheaper else ()))
    source = f"entrypoint.py configure --automatic_configuration, version {__version__}, seed {search.seed}"
    return replace(
        parameters,
        configurations=(*parameters.configurations, *cheaper),
        provenance=replace(parameters.provenance, source=source, notes=notes),
    )


def _cheaper(one: Regression) -> list[Candidate]:
    """The winner at every smaller |S| x |D| that was measured, costliest first."""
    best = one.conclusion.candidate
    if not best.pruned:
        return []
    alike = [theta for theta in one.readings.thetas if _without_sizes(theta) == _without_sizes(best.theta)]
    smaller = sorted({theta: _cost(theta) for theta in alike if _cost(theta) < _cost(best.theta)}, key=_cost)
    return [replace(best, theta=theta) for theta in reversed(smaller)]


def _refitted(
    candidate: Candidate, number: int, readings: Sequence[ArchitectureReadings], design: Design
) -> Configuration:
    bank = Bank.of(readings, [candidate])
    fit = conclude(bank, readings, design, {"": np.ones(1, dtype=bool)}, CLIP)[""].fits[number]
    return Configuration(
        candidate.theta, candidate.signals, candidate.reduction, fit.kind, fit.intercept, fit.coefficients
    )


def _cost(theta: Theta) -> int:
    return theta.num_pruned_models * theta.num_images


def _without_sizes(theta: Theta) -> Theta:
    return replace(theta, num_pruned_models=1, num_images=1)
