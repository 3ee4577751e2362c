"""From the measured models of one architecture to its learned parameters: the regression and its honest figures.

Where there are too few models, or too few of one class, nothing is learned and the reason is told: the base rate of
the bundle answers then.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from detector import __version__
from detector.configure.evaluation import PERMUTATIONS, REPEATS, Evaluation, evaluate
from detector.configure.fitting import FEWEST_OF_A_CLASS, FitMethod, fit
from detector.configure.measuring import MeasuredModel, Measurement
from detector.mapping.features import Reduction
from detector.mapping.parameters import Clip, Configuration, LearnedParameters, Provenance

_log = logging.getLogger(__name__)

_CLIP = Clip()


@dataclass(frozen=True)
class Recipe:
    """How to learn, the same for all architectures; `round_name` is where the models come from."""

    measurement: Measurement
    method: FitMethod
    min_models: int
    seed: int
    round_name: str


@dataclass(frozen=True)
class Learned:
    """What came of one architecture: parameters, or the reason why there are none."""

    architecture: str
    num_models: int
    num_poisoned: int
    parameters: LearnedParameters | None
    reason: str = ""


def learn(models: Iterable[MeasuredModel], recipe: Recipe) -> list[Learned]:
    """One result for each architecture among the models, sorted by name."""
    by_architecture: dict[str, list[MeasuredModel]] = defaultdict(list)
    for model in models:
        by_architecture[model.architecture].append(model)
    return [_learn_one(name, group, recipe) for name, group in sorted(by_architecture.items())]


def _learn_one(architecture: str, models: Sequence[MeasuredModel], recipe: Recipe) -> Learned:
    poisoned = sum(model.poisoned for model in models)
    rarer = min(poisoned, len(models) - poisoned)
    if len(models) < recipe.min_models:
        reason = f"fewer than {recipe.min_models} models"
    elif rarer < FEWEST_OF_A_CLASS:
        reason = f"fewer than {FEWEST_OF_A_CLASS} models of one class"
    else:
        _log.info("fitting %s on %d models", architecture, len(models))
        return Learned(architecture, len(models), poisoned, _parameters(architecture, models, recipe))
    return Learned(architecture, len(models), poisoned, None, reason)


def _parameters(architecture: str, models: Sequence[MeasuredModel], recipe: Recipe) -> LearnedParameters:
    vectors = np.array([model.reading.vector for model in models])
    labels = np.array([model.poisoned for model in models], dtype=np.int64)
    regression = fit(recipe.method, vectors, labels, recipe.seed)
    evaluation = evaluate(recipe.method, vectors, labels, clip=_CLIP, seed=recipe.seed)
    measurement, doubtful = recipe.measurement, sum(model.doubtful for model in models)
    configuration = Configuration(
        measurement.theta,
        (measurement.signal,),
        Reduction.VARIANTS,
        regression.kind,
        regression.intercept,
        regression.coefficients,
        held_out=evaluation.held_out,
        in_sample=evaluation.in_sample,
    )
    provenance = Provenance(
        round=recipe.round_name,
        num_models=len(models),
        num_poisoned=int(labels.sum()),
        evaluation=_in_words(evaluation, recipe.method),
        source=f"entrypoint.py configure, version {__version__}, {recipe.method} on given theta, seed {recipe.seed}",
        notes=(f"{doubtful} of the models fail at their clean examples before pruning.",) if doubtful else (),
    )
    base_rate = float(labels.mean())
    return LearnedParameters(architecture, measurement.preprocessing, base_rate, _CLIP, (configuration,), provenance)


def _in_words(evaluation: Evaluation, method: FitMethod) -> str:
    return (
        f"Held out: {evaluation.folds}-fold stratified cross-validation, repeated {REPEATS} times, the {method} fit "
        f"and the choice of its strength inside the fold; the 95 % interval of the cross-entropy is "
        f"+- {evaluation.half_width:.3f}. theta was given, not searched for. With labels shuffled, {PERMUTATIONS} "
        f"times, the same procedure has a mean ROC-AUC of {evaluation.permuted_auc:.3f}; p = {evaluation.p_value:.2f} "
        f"that labels without meaning do as well. In-sample: on the very models of the fit."
    )
