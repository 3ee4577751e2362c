"""Learning from one architecture with theta given: the search with a single candidate, and honest metrics.

The same regressions, folds, repeats and permutations as of the search over many.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from detector import __version__
from detector.learning.evaluation.design import Design, make_design
from detector.learning.evaluation.folds import FOLDS, REPEATS
from detector.learning.evaluation.metrics import Metrics, judge, judge_alone
from detector.learning.evaluation.permutation import PERMUTATIONS
from detector.learning.learned import Learned, doubtful_note, fewest_in_a_class, learned, too_few
from detector.learning.regression.fit import Fit, FitMethod
from detector.learning.search.candidate_features import CandidateFeatures
from detector.learning.search.candidates import Candidate
from detector.learning.search.crossvalidation import cross_validate
from detector.learning.search.logistic import LogisticSearch
from detector.learning.search.searching import OLS_PENALTIES, RIDGE_PENALTIES, fit_all
from detector.learning.search.selected import select
from detector.mapping.configuration import Clip
from detector.mapping.parameters import LearnedParameters, Provenance
from detector.pruning.theta import Theta
from detector.rounds.preprocessing import Preprocessing
from detector.signals.features import Reduction
from detector.sweep.readings import ArchitectureReadings

Array = NDArray[np.float64]

_log = logging.getLogger(__name__)

_CLIP = Clip()


@dataclass(frozen=True)
class Recipe:
    """How to learn, the same for all architectures.

    `round_name` is where the models come from, `doubtful` the names of those that fail before pruning.
    """

    theta: Theta
    signals: tuple[str, ...]
    reduction: Reduction
    preprocessing: Preprocessing
    method: FitMethod
    min_models: int
    seed: int
    round_name: str
    doubtful: Collection[str] = ()
    repeats: int = REPEATS
    permutations: int = PERMUTATIONS

    @property
    def candidate(self) -> Candidate:
        """The only one of the search."""
        return Candidate((self.theta,), self.signals, self.reduction)


def learn(readings: Iterable[ArchitectureReadings], recipe: Recipe) -> list[Learned]:
    """One result for each architecture, in their order. The readings hold those of the recipe's theta."""
    return [_learned(own, recipe) for own in readings]


def fit_given(
    readings: ArchitectureReadings, candidate: Candidate, method: FitMethod, design: Design
) -> tuple[Fit, Array]:
    """The regression of all models, and held-out probabilities (repeats, M, P)."""
    return _METHODS[method](readings, candidate, design)


def _learned(readings: ArchitectureReadings, recipe: Recipe) -> Learned:
    reason = too_few(readings, recipe.min_models)
    if reason:
        return learned(readings, None, reason)
    _log.info("fitting %s on %d models", readings.architecture, len(readings.names))
    parameters, answers = _parameters(readings, recipe)
    return learned(readings, parameters, answers=answers)


def _parameters(readings: ArchitectureReadings, recipe: Recipe) -> tuple[LearnedParameters, Array]:
    """And the held-out probabilities (repeats, M, P)."""
    labels, candidate = readings.poisoned, recipe.candidate
    folds = min(FOLDS, fewest_in_a_class(readings))
    design = make_design([labels], recipe.seed, folds=folds, repeats=recipe.repeats, permutations=recipe.permutations)
    fit, answers = fit_given(readings, candidate, recipe.method, design)
    held_out = judge(answers, design.labels, recipe.seed)
    in_sample = judge_alone(fit.probabilities(candidate.features(readings), _CLIP), labels, recipe.seed)
    configuration = replace(candidate.known_to(readings, fit), held_out=held_out.stored, in_sample=in_sample.stored)
    base_rate = float(labels.mean())
    provenance = _provenance(readings, recipe, held_out, folds)
    parameters = LearnedParameters(
        readings.architecture, recipe.preprocessing, base_rate, _CLIP, (configuration,), provenance
    )
    return parameters, answers


def _linear(
    penalties: tuple[float, ...], readings: ArchitectureReadings, candidate: Candidate, design: Design
) -> tuple[Fit, Array]:
    features, families = CandidateFeatures.of([readings], [candidate]), {"given": np.ones(1, dtype=bool)}
    found = cross_validate(features, design, families, penalties, _CLIP, calibrated=False)["given"]
    fits = fit_all(features, design, penalties)
    return fits.raw_fits(fits.search(families["given"]))[0], found.probabilities


def _logistic(readings: ArchitectureReadings, candidate: Candidate, design: Design) -> tuple[Fit, Array]:
    selected = select([readings], [candidate], [], design, _CLIP)
    return selected.fits[0], LogisticSearch.of([readings], [candidate], design, _CLIP).held_out()


_METHODS: Mapping[FitMethod, Callable[[ArchitectureReadings, Candidate, Design], tuple[Fit, Array]]] = MappingProxyType(
    {
        FitMethod.OLS: partial(_linear, OLS_PENALTIES),
        FitMethod.RIDGE: partial(_linear, RIDGE_PENALTIES),
        FitMethod.LOGISTIC: _logistic,
    }
)


def _provenance(readings: ArchitectureReadings, recipe: Recipe, held_out: Metrics, folds: int) -> Provenance:
    return Provenance(
        round=recipe.round_name,
        num_models=held_out.num_models,
        num_poisoned=held_out.num_poisoned,
        evaluation=_in_words(held_out, recipe, folds),
        source=f"entrypoint.py configure, version {__version__}, {recipe.method} on given theta, seed {recipe.seed}",
        notes=doubtful_note(readings, recipe.doubtful),
        architectures=(readings.architecture,),
    )


def _in_words(held_out: Metrics, recipe: Recipe, folds: int) -> str:
    chance = held_out.chance
    tested = (
        f"With labels shuffled, {chance.permutations} times, the same procedure has a mean ROC-AUC of "
        f"{chance.roc_auc:.3f}; p = {chance.p_roc_auc:.3f} that labels without meaning do as well. "
        if chance
        else ""
    )
    return (
        f"Held out: {folds}-fold stratified cross-validation, repeated {recipe.repeats} times, the {recipe.method} fit "
        f"and the choice of its penalty inside the fold; the 95 % interval of the cross-entropy is "
        f"+- {held_out.half_width:.3f}, that of the ROC-AUC {held_out.auc_interval[0]:.3f} to "
        f"{held_out.auc_interval[1]:.3f}. theta was given, not searched for. {tested}In-sample: on the very models of "
        "the fit."
    )
