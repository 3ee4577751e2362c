"""The automatic configuration: the published procedure on a grid of thetas, judged as the published results are.

The same procedure, on the caller's round, that the default bundle was learned and judged with. All architectures are
pooled, and measured alike, so the slowest of them decides how many thetas fit the time; where no theta fits it for all
of them, each is searched alone.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from detector import __version__
from detector.learning.evaluation.metrics import Metrics, judge
from detector.learning.learned import Learned, learned
from detector.learning.regressions import Regression, learn_all, make_parameters
from detector.learning.search.candidates import affordable, signals_left_out
from detector.learning.search.procedures import published
from detector.learning.study import Study
from detector.mapping.parameters import LearnedParameters
from detector.pruning.theta import Theta
from detector.sweep.readings import ArchitectureReadings

_log = logging.getLogger(__name__)

_TOO_SLOW = "no measurement fits the time budget of a detection on this machine"
_NO_BETTER = "what was measured does not beat the base rate on models held out"


def winners(readings: Sequence[ArchitectureReadings], study: Study) -> tuple[Theta, ...]:
    """theta_error: the thetas whose other |S| and |D| are worth measuring for the second stage.

    Where the best configuration takes several thetas together, the costliest behind it that takes one.
    """
    usable = [own for own in readings if not _unusable(own, study)]
    regressions = [fitted for pool in _pools(usable) for fitted in learn_all(pool, study.design(pool))]
    options = [
        (fitted.selected.candidate.thetas, *(configuration.thetas for configuration in fitted.cheaper))
        for fitted in regressions
    ]
    single = [[thetas[0] for thetas in some if len(thetas) == 1] for some in options]
    return tuple(dict.fromkeys(thetas[0] for thetas in single if thetas))


def learn_automatically(readings: Sequence[ArchitectureReadings], study: Study) -> list[Learned]:
    """One result for each architecture, in their order: the best of everything that was tried, or why there is none."""
    reasons = {own.architecture: _unusable(own, study) for own in readings}
    usable = [own for own in readings if not reasons[own.architecture]]
    found = {result.architecture: result for pool in _pools(usable) for result in _searched(pool, study)}
    return [found.get(own.architecture) or learned(own, None, reasons[own.architecture]) for own in readings]


def _pools(readings: Sequence[ArchitectureReadings]) -> list[list[ArchitectureReadings]]:
    """The architectures that are fitted together."""
    if readings and affordable(readings):
        return [list(readings)]
    return [[own] for own in readings]


def _unusable(readings: ArchitectureReadings, study: Study) -> str:
    return study.too_few(readings) or ("" if affordable([readings]) else _TOO_SLOW)


def _searched(readings: Sequence[ArchitectureReadings], study: Study) -> list[Learned]:
    design = study.design(readings)
    _log.info("searching %d points of %d architectures", len(readings[0].thetas), len(readings))
    left_out = tuple(f"Left out of the search: {reason}." for reason in signals_left_out(readings).values())
    for note in left_out:
        _log.warning("%s", note)
    regressions = learn_all(readings, design)
    _log.info("judging the search by %d permutations", study.permutations)
    answers = published(readings, design).held_out()
    results = []
    for number, regression in enumerate(regressions):
        own = design.architecture == number
        metrics = judge(answers[:, own], design.labels[own], study.seed)
        parameters = _parameters(regression, metrics, study, left_out)
        reason = "" if parameters else _NO_BETTER
        results.append(learned(regression.readings, parameters, reason, answers[:, own]))
    return results


def _parameters(
    regression: Regression, held_out: Metrics, study: Study, left_out: Sequence[str]
) -> LearnedParameters | None:
    source = f"entrypoint.py configure --automatic_configuration, version {__version__}, seed {study.seed}"
    parameters = make_parameters(regression, study.round_name, study.preprocessing, held_out, source)
    if parameters is None:
        return None
    notes = (*study.notes(regression.readings), *left_out, *parameters.provenance.notes)
    return replace(parameters, provenance=replace(parameters.provenance, notes=notes))
