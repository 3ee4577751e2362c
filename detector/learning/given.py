"""Learning from one architecture with theta given: the search with a single candidate, and honest metrics.

The same regressions, folds, repeats and permutations as of the search over many.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detector import __version__
from detector.learning.evaluation.metrics import Metrics, judge, judge_alone
from detector.learning.fitting import CLIP, fittings
from detector.learning.learned import Learned, learned
from detector.learning.search.candidates import Candidate
from detector.learning.study import Study, folds_of
from detector.mapping.parameters import LearnedParameters, Provenance
from detector.pruning.theta import Theta
from detector.signals.features import Reduction
from detector.sweep.readings import ArchitectureReadings

Array = NDArray[np.float64]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GivenTheta:
    """What is measured, and fitted on it: `fitting` names one of `fittings()`."""

    theta: Theta
    signals: tuple[str, ...]
    reduction: Reduction
    fitting: str
    study: Study

    @property
    def candidate(self) -> Candidate:
        """The only one of the search."""
        return Candidate((self.theta,), self.signals, self.reduction)


def learn(readings: Iterable[ArchitectureReadings], given: GivenTheta) -> list[Learned]:
    """One result for each architecture, in their order. The readings hold those of the given theta.

    Raises
    ------
    UnknownEntryError
        No fitting has that name.
    """
    return [_learned(own, given) for own in readings]


def _learned(readings: ArchitectureReadings, given: GivenTheta) -> Learned:
    reason = given.study.too_few(readings)
    if reason:
        return learned(readings, None, reason)
    _log.info("fitting %s on %d models", readings.architecture, len(readings.names))
    parameters, answers = _parameters(readings, given)
    return learned(readings, parameters, answers=answers)


def _parameters(readings: ArchitectureReadings, given: GivenTheta) -> tuple[LearnedParameters, Array]:
    """And the held-out probabilities (repeats, M, P)."""
    labels, candidate, study = readings.poisoned, given.candidate, given.study
    design = study.design([readings])
    fitted, answers = fittings()[given.fitting].fit(readings, candidate, design)
    held_out = judge(answers, design.labels, study.seed)
    in_sample = judge_alone(fitted.probabilities(candidate.features(readings), CLIP), labels, study.seed)
    configuration = replace(candidate.known_to(readings, fitted), held_out=held_out.stored, in_sample=in_sample.stored)
    base_rate = float(labels.mean())
    provenance = _provenance(readings, given, held_out)
    parameters = LearnedParameters(
        readings.architecture, study.preprocessing, base_rate, CLIP, (configuration,), provenance
    )
    return parameters, answers


def _provenance(readings: ArchitectureReadings, given: GivenTheta, held_out: Metrics) -> Provenance:
    study = given.study
    return Provenance(
        round=study.round_name,
        num_models=held_out.num_models,
        num_poisoned=held_out.num_poisoned,
        evaluation=_in_words(held_out, given, folds_of(readings)),
        source=f"entrypoint.py configure, version {__version__}, {given.fitting} on given theta, seed {study.seed}",
        notes=study.notes(readings),
        architectures=(readings.architecture,),
    )


def _in_words(held_out: Metrics, given: GivenTheta, folds: int) -> str:
    chance, own = held_out.chance, " and the choice of its penalty" if fittings()[given.fitting].has_penalty else ""
    tested = (
        f"With labels shuffled, {chance.permutations} times, the same procedure has a mean ROC-AUC of "
        f"{chance.roc_auc:.3f}; p = {chance.p_roc_auc:.3f} that labels without meaning do as well. "
        if chance
        else ""
    )
    return (
        f"Held out: {folds}-fold stratified cross-validation, repeated {given.study.repeats} times, "
        f"the {given.fitting} fit{own} inside the fold; the 95 % interval of the cross-entropy is "
        f"+- {held_out.half_width:.3f}, that of the ROC-AUC {held_out.auc_interval[0]:.3f} to "
        f"{held_out.auc_interval[1]:.3f}. theta was given, not searched for. {tested}In-sample: on the very models of "
        "the fit."
    )
