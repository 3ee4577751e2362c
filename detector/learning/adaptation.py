"""Adaptation: the mapping of a bundle for any architecture, learned on from the models of a round.

All architectures are taken together, as the start takes them. How far to move from the start, or not at all, is chosen
by cross-validation, the start preferred within one standard error, and judged by cross-validation around that
choice. Beside the figures held out stand those of the
start unchanged on the same models: nothing of it was fitted on them. All figures are of what a detection answers, the
base rate for models outside the experience.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detector import __version__
from detector.learning.evaluation.design import Design
from detector.learning.evaluation.metrics import Metrics, judge, judge_alone
from detector.learning.evaluation.nested import held_out_losses, least_moved, nested_by
from detector.learning.experience import Experience, outside, widened
from detector.learning.learned import Learned
from detector.learning.regression.shrinkage import Start, fit_from
from detector.learning.study import Study, folds_of
from detector.mapping.any_of import AnyOf
from detector.mapping.configuration import Clip, Configuration
from detector.mapping.known import known_networks
from detector.mapping.parameters import ANY_ARCHITECTURE, LearnedParameters, Provenance
from detector.sweep.readings import ArchitectureReadings

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_log = logging.getLogger(__name__)

PENALTIES = (math.inf, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003)  # of moving from the start; the first: its scale alone
_KEPT = ("unchanged", "scale")  # what the first two options move
_MOST_NOTES = 50


@dataclass(frozen=True)
class Adaptation:
    """What is started from, and whose models are learned on from."""

    start_name: str
    start: LearnedParameters
    study: Study


@dataclass(frozen=True)
class RoundFeatures:
    """The features of the M models of a round, all architectures together.

    Attributes
    ----------
    names, poisoned
        The models, and their labels (M,), 1 = poisoned.
    features
        Of each configuration of the start, (M, F) in the order of its features.
    architectures
        Those of the models, sorted; empty where that is not known.
    """

    names: tuple[str, ...]
    poisoned: NDArray[np.int64]
    features: tuple[Array, ...]
    architectures: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, configurations: Sequence[Configuration], readings: Sequence[Sequence[ArchitectureReadings]]
    ) -> RoundFeatures:
        """Of what was measured for each of the configurations; models that were measured for all of them.

        Raises
        ------
        MissingSignalError
            A signal of a configuration was not measured, or by another version of it.
        """
        found = [_by_name(one, own) for one, own in zip(configurations, readings, strict=True)]
        names = sorted(set.intersection(*map(set, found)))
        features = tuple(
            np.array([own[name][1] for name in names]).reshape(len(names), len(one.inputs))
            for one, own in zip(configurations, found, strict=True)
        )
        labels = np.array([found[0][name][0] for name in names], dtype=np.int64)
        architectures = sorted(own.architecture for own in readings[0] if set(own.names) & set(names))
        return cls(tuple(names), labels, features, tuple(architectures))


def _by_name(configuration: Configuration, readings: Sequence[ArchitectureReadings]) -> Mapping[str, tuple[int, Array]]:
    """Label and features (F,) of each model."""
    found: dict[str, tuple[int, Array]] = {}
    for own in readings:
        rows = own.features(configuration.inputs, (), configuration.images)
        found |= {name: (int(label), row) for name, label, row in zip(own.names, own.poisoned, rows, strict=True)}
    return found


@dataclass(frozen=True)
class Comparison:
    """Of one configuration what the start is worth on the models unchanged, and what is learned from them.

    Attributes
    ----------
    start, strangers
        The start's metrics, and how many of the models lie outside its experience.
    held_out, in_sample
        Of learning on.
    moved
        What is moved from the start: "unchanged", "scale" alone, or the "penalty" of moving its numbers, too.
    answers
        The held-out probabilities of the models, on average over the repeats.
    """

    start: Metrics
    strangers: int
    held_out: Metrics
    in_sample: Metrics
    moved: str
    answers: tuple[float, ...]


@dataclass(frozen=True)
class Adapted(Learned):
    """Parameters for any architecture; `compared` is of each configuration, empty where the start is kept as it is.

    `reason` says why it is.
    """

    start_name: str = ""
    compared: tuple[Comparison, ...] = ()


def adaptable(parameters: LearnedParameters) -> bool:
    """Whether they can be started from: for any architecture, mappings `any_of` of probed images, and no thetas."""
    return parameters.architecture == ANY_ARCHITECTURE and all(
        isinstance(one.mapping, AnyOf) and one.probes and not one.thetas for one in parameters.configurations
    )


def adapt(models: RoundFeatures, adaptation: Adaptation) -> Adapted:
    """Learn on from the start, or keep it as it is where there are too few models.

    Raises
    ------
    ValueError
        The start is not `adaptable`.
    """
    if not adaptable(adaptation.start):
        raise ValueError("expected parameters for any architecture, of mappings any_of of probed images")
    reason = adaptation.study.too_few(models)
    parameters, compared = (_kept(adaptation, reason), ()) if reason else _learned(models, adaptation)
    counts = len(models.names), int(models.poisoned.sum())
    held_out = dict(zip(models.names, compared[0].answers, strict=True)) if compared else {}
    return Adapted(ANY_ARCHITECTURE, *counts, parameters, reason, held_out, adaptation.start_name, compared)


def _kept(adaptation: Adaptation, reason: str) -> LearnedParameters:
    origin = adaptation.start.provenance
    note = f"The bundle {adaptation.start_name} as it is, not learned on from {adaptation.study.round_name}: {reason}."
    return replace(adaptation.start, provenance=replace(origin, notes=(note, *origin.notes)[:_MOST_NOTES]))


def _learned(models: RoundFeatures, adaptation: Adaptation) -> tuple[LearnedParameters, tuple[Comparison, ...]]:
    start, labels = adaptation.start, models.poisoned
    design = adaptation.study.design([models])
    configurations, compared = [], []
    for number, (configuration, features) in enumerate(zip(start.configurations, models.features, strict=True)):
        _log.info("learning on from %s: %d probes", adaptation.start_name, len(configuration.probes))
        tested = design if number == 0 else design.with_true_labels_only()
        learner = Learner.of(configuration, features, tested, start.clip)
        adapted, comparison = _concluded(learner, start.base_rate, adaptation.study.seed)
        configurations.append(adapted)
        compared.append(comparison)
    provenance = _provenance(models, adaptation, configurations, compared)
    parameters = LearnedParameters(
        ANY_ARCHITECTURE,
        adaptation.study.preprocessing,
        float(labels.mean()),
        start.clip,
        tuple(configurations),
        provenance,
    )
    return parameters, tuple(compared)


@dataclass(frozen=True)
class Learner:
    """One configuration of the start, and features (M, F) of all models, in the order of its causes.

    An option is the start's mapping as it is, or moved under one of PENALTIES.
    """

    configuration: Configuration
    start: Start
    features: Array
    design: Design
    clip: Clip

    @classmethod
    def of(cls, configuration: Configuration, features: Array, design: Design, clip: Clip) -> Learner:
        """Of features (M, F) in the order of the configuration's; its mapping is an `any_of`."""
        assert isinstance(configuration.mapping, AnyOf)
        start = Start.of(configuration.mapping)
        columns = [configuration.features.index(name) for name in start.names]
        return cls(configuration, start, features[:, columns], design, clip)

    def options(self, fitted: Mask) -> Array:
        """Probabilities (options, M, P) of all models, clipped, by fits of those that are `fitted` (M,)."""
        labels = self.design.labels[fitted]
        moved = fit_from(self.start, self.features[fitted], labels, PENALTIES).probabilities(self.features)
        kept = np.broadcast_to(self.start.probabilities(self.features)[:, None], moved.shape[1:])
        answers = self._clipped(np.concatenate([kept[None], moved]))
        answers[:, self.strangers(self.experience(fitted))] = self._clipped(labels.mean(axis=0))
        return answers

    def answers_of_the_start(self, base_rate: float) -> Array:
        """What a detection with the start answers to all models, (M,)."""
        answers = self._clipped(self.start.probabilities(self.features))
        answers[self.strangers(self.configuration.experience)] = self._clipped(np.array(base_rate))
        return answers

    def experience(self, fitted: Mask) -> Experience:
        """That of the start and of the models that are fitted on."""
        return widened(self.configuration.experience, self.start.names, self.features[fitted])

    def strangers(self, experience: Experience) -> Mask:
        """Which models lie outside it, (M,)."""
        return outside(experience, self.start.names, self.features)

    def mapping(self, option: int) -> AnyOf:
        """By one option, of all models under the true labels."""
        if option == 0:
            assert isinstance(self.configuration.mapping, AnyOf)
            return self.configuration.mapping
        return fit_from(self.start, self.features, self.design.labels[:, :1], PENALTIES).mapping(option - 1)

    def _clipped(self, probabilities: Array) -> Array:
        clipped: Array = np.clip(probabilities, self.clip.low, self.clip.high)
        return clipped


def _concluded(learner: Learner, base_rate: float, seed: int) -> tuple[Configuration, Comparison]:
    """The option that moves least of those as good as the best, and how good it is to choose like this."""
    design, everyone = learner.design, np.ones(len(learner.features), dtype=bool)
    labels = design.labels[:, 0]
    answers = nested_by(least_moved, learner.options, design.labels, design.folds)
    alone = replace(learner, design=design.with_true_labels_only())
    losses = held_out_losses(alone.options, alone.design.labels, design.folds.numbers[0], everyone)
    best = int(least_moved(losses)[0])
    in_sample = judge_alone(alone.options(everyone)[best, :, 0], labels, seed)
    comparison = Comparison(
        start=judge_alone(learner.answers_of_the_start(base_rate), labels, seed),
        strangers=int(learner.strangers(learner.configuration.experience).sum()),
        held_out=judge(answers, design.labels, seed),
        in_sample=in_sample,
        answers=tuple(answers[:, :, 0].mean(axis=0).tolist()),
        moved=_KEPT[best] if best < len(_KEPT) else f"penalty {PENALTIES[best - 1]:g}",
    )
    configuration = replace(
        learner.configuration,
        mapping=alone.mapping(best),
        held_out=comparison.held_out.stored,
        in_sample=in_sample.stored,
        experience=learner.experience(everyone),
        known=known_networks(learner.start.names, learner.features, labels),
    )
    return configuration, comparison


def _provenance(
    models: RoundFeatures,
    adaptation: Adaptation,
    configurations: Sequence[Configuration],
    compared: Sequence[Comparison],
) -> Provenance:
    origin = adaptation.start.provenance
    told = (_comparison_note(*pair, adaptation.start_name) for pair in zip(configurations, compared, strict=True))
    notes = (*adaptation.study.notes(models), *_same_round_note(adaptation), *_others_note(models), *told)
    version = f"entrypoint.py configure --start_from {adaptation.start_name}, version {__version__}"
    return Provenance(
        round=f"{adaptation.study.round_name}, started from {adaptation.start_name} ({origin.round})",
        num_models=len(models.names),
        num_poisoned=int(models.poisoned.sum()),
        evaluation=_in_words(compared[0], adaptation, folds_of(models)),
        source=f"{version}, seed {adaptation.study.seed}",
        notes=(*notes, *origin.notes)[:_MOST_NOTES],
        architectures=tuple(sorted({*origin.architectures, *models.architectures})),
        sizes=tuple(sorted({*origin.sizes, adaptation.study.preprocessing.crop})),
    )


def _same_round_note(adaptation: Adaptation) -> tuple[str, ...]:
    if adaptation.study.round_name not in re.split(r"[(), ]+", adaptation.start.provenance.round):
        return ()
    return ("The start was itself learned from a round of this name: its figures are then no better than in-sample.",)


def _others_note(models: RoundFeatures) -> tuple[str, ...]:
    if not models.architectures:
        return ()
    return (f"The models are of {', '.join(models.architectures)}; networks of other architectures were not judged.",)


def _comparison_note(configuration: Configuration, one: Comparison, start_name: str) -> str:
    strangers = f", {one.strangers} of {one.start.num_models} models outside its experience" if one.strangers else ""
    return (
        f"{len(configuration.probes)} probes on {configuration.num_images} images: {start_name} unchanged has a "
        f"cross-entropy of {one.start.cross_entropy:.3f} and a ROC-AUC of {one.start.roc_auc:.3f} on these models"
        f"{strangers}. Moved from it: {one.moved}."
    )


def _in_words(costliest: Comparison, adaptation: Adaptation, folds: int) -> str:
    held_out, chance = costliest.held_out, costliest.held_out.chance
    tested = (
        f"With labels shuffled, {chance.permutations} times, the same procedure has a mean ROC-AUC of "
        f"{chance.roc_auc:.3f}; p = {chance.p_roc_auc:.3f} that labels without meaning do as well. "
        if chance
        else ""
    )
    return (
        f"Held out: {folds}-fold stratified cross-validation of the models of {adaptation.study.round_name}, all "
        f"architectures together, repeated {adaptation.study.repeats} times; how far to move from "
        f"{adaptation.start_name}, or not at all, is chosen inside the fold, the start preferred within one standard "
        "error. Of the first configuration the 95 % "
        f"interval of the cross-entropy is +- {held_out.half_width:.3f}, that of the ROC-AUC "
        f"{held_out.auc_interval[0]:.3f} to {held_out.auc_interval[1]:.3f}. {tested}The notes have the figures of the "
        "start unchanged, of which nothing was fitted on these models. In-sample: on the very models of the fit."
    )
