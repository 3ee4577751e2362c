"""From the readings of one architecture to its learned parameters, theta being given: a regression and honest figures.

Where there are too few models, or too few of one class, nothing is learned and the reason is told: the base rate of
the bundle answers then.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

import numpy as np

from detector import __version__
from detector.learning.evaluation.evaluation import PERMUTATIONS, REPEATS, Evaluation, evaluate
from detector.learning.regression.fitting import FEWEST_OF_A_CLASS, FitMethod, fit
from detector.learning.search.candidates import Candidate
from detector.mapping.parameters import Clip, LearnedParameters, Provenance
from detector.pruning.theta import Theta
from detector.rounds.preprocessing import Preprocessing
from detector.signals.features import Reduction
from detector.sweep.readings import ArchitectureReadings

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


@dataclass(frozen=True)
class Learned:
    """What came of one architecture: parameters, or the reason why there are none."""

    architecture: str
    num_models: int
    num_poisoned: int
    parameters: LearnedParameters | None
    reason: str = ""


def learn(readings: Iterable[ArchitectureReadings], recipe: Recipe) -> list[Learned]:
    """One result for each architecture, in their order. The readings hold those of the recipe's theta."""
    return [_learn_one(one, recipe) for one in readings]


def too_few(readings: ArchitectureReadings, min_models: int) -> str:
    """Why nothing can be learned from so few models; empty if they are enough."""
    if len(readings.names) < min_models:
        return f"fewer than {min_models} models"
    if np.bincount(readings.poisoned, minlength=2).min() < FEWEST_OF_A_CLASS:
        return f"fewer than {FEWEST_OF_A_CLASS} models of one class"
    return ""


def nothing_learned(readings: ArchitectureReadings, reason: str) -> Learned:
    """The result where the base rate is all there is."""
    return Learned(readings.architecture, len(readings.names), int(readings.poisoned.sum()), None, reason)


def doubtful_note(readings: ArchitectureReadings, doubtful: Collection[str]) -> tuple[str, ...]:
    """A note for the parameters if some of the models fail at their clean examples."""
    count = len(set(readings.names) & set(doubtful))
    return (f"{count} of the models fail at their clean examples before pruning.",) if count else ()


def _learn_one(readings: ArchitectureReadings, recipe: Recipe) -> Learned:
    reason = too_few(readings, recipe.min_models)
    if reason:
        return nothing_learned(readings, reason)
    _log.info("fitting %s on %d models", readings.architecture, len(readings.names))
    poisoned = int(readings.poisoned.sum())
    return Learned(readings.architecture, len(readings.names), poisoned, _parameters(readings, recipe))


def _parameters(readings: ArchitectureReadings, recipe: Recipe) -> LearnedParameters:
    candidate = Candidate((recipe.theta,), recipe.signals, recipe.reduction)
    vectors, labels = candidate.features(readings), readings.poisoned
    regression = fit(recipe.method, vectors, labels, recipe.seed)
    evaluation = evaluate(recipe.method, vectors, labels, clip=_CLIP, seed=recipe.seed)
    configuration = replace(
        candidate.configuration(regression), held_out=evaluation.held_out, in_sample=evaluation.in_sample
    )
    provenance = Provenance(
        round=recipe.round_name,
        num_models=len(labels),
        num_poisoned=int(labels.sum()),
        evaluation=_in_words(evaluation, recipe.method),
        source=f"entrypoint.py configure, version {__version__}, {recipe.method} on given theta, seed {recipe.seed}",
        notes=doubtful_note(readings, recipe.doubtful),
    )
    base_rate = float(labels.mean())
    return LearnedParameters(
        readings.architecture, recipe.preprocessing, base_rate, _CLIP, (configuration,), provenance
    )


def _in_words(evaluation: Evaluation, method: FitMethod) -> str:
    return (
        f"Held out: {evaluation.folds}-fold stratified cross-validation, repeated {REPEATS} times, the {method} fit "
        f"and the choice of its strength inside the fold; the 95 % interval of the cross-entropy is "
        f"+- {evaluation.half_width:.3f}. theta was given, not searched for. With labels shuffled, {PERMUTATIONS} "
        f"times, the same procedure has a mean ROC-AUC of {evaluation.permuted_auc:.3f}; p = {evaluation.p_value:.2f} "
        f"that labels without meaning do as well. In-sample: on the very models of the fit."
    )
