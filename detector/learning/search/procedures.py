"""The procedures that are compared: parts of the search space, fitted on the models of one architecture or of all.

The same folds and permutations serve all of them, so that their answers can be compared model by model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from functools import partial, reduce
from itertools import compress
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from detector.learning.evaluation.design import Design
from detector.learning.search.candidate_features import CandidateFeatures
from detector.learning.search.candidates import (
    PRUNING,
    SIGNALS_BESIDE,
    SIGNALS_OF_WEIGHTS,
    SIGNALS_TOGETHER,
    SIGNALS_UNPRUNED,
    Candidate,
    affordable,
    all_candidates,
    paper_candidates,
    sets_together,
    signals_left_out,
)
from detector.learning.search.crossvalidation import CrossValidated, better, cross_validate
from detector.learning.search.logistic import LogisticSearch
from detector.learning.search.searching import OLS_PENALTIES, RIDGE_PENALTIES
from detector.mapping.configuration import Clip
from detector.pruning.theta import PruningMethod
from detector.signals.features import Reduction
from detector.signals.registry import is_per_variant
from detector.sweep.covariates import HISTORY
from detector.sweep.readings import ArchitectureReadings, MissingSignalError

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

CLIP = Clip()


class Scope(StrEnum):
    """Whose models a regression is fitted on."""

    ALONE = "per architecture"
    POOLED = "pooled"
    CHOSEN = "chosen"  # whichever is better calibrated on the models of the fit


class Family(StrEnum):
    """A part of the search space that is searched on its own."""

    PAPER = "accuracies under pruning, least squares (the paper)"
    ACCURACY = "accuracies under pruning, ridge"
    PRUNING = "all signals under pruning"
    AMPLIFICATION = "all signals under amplification"
    STIMULATION = "all signals under stimulation"
    CLASSIFIER = "the classifier's weights alone"
    UNPRUNED = "nothing pruned: what the unpruned network answers"
    ONE_THETA = "everything, one theta at a time"
    TOGETHER = "as many thetas together as fit the time"
    BESIDE = "thetas together, beside what the unpruned network answers"
    EVERYTHING = "everything"
    BEST = "the best of these families"
    LOGISTIC_PRUNING = "L2 logistic: thetas of pruning together"
    LOGISTIC_TOGETHER = "L2 logistic: thetas together"
    LOGISTIC_READINGS = "L2 logistic: nothing pruned, the unpruned network's readings"
    LOGISTIC_UNPRUNED = "L2 logistic: nothing pruned, what the unpruned network answers"
    LOGISTIC_ATTRACTION = "L2 logistic: thetas together, beside the unpruned network's attraction"
    LOGISTIC = "L2 logistic: thetas together, beside what the unpruned network answers"
    OBSERVABLE = "control: the network's loss, norms and file size"
    UNTOUCHED = "control: the same and its training log"


PUBLISHED = (Family.LOGISTIC, Scope.POOLED)  # the default bundle's
PAPER = (Family.PAPER, Scope.ALONE)
READINGS = (Family.LOGISTIC_READINGS, Scope.POOLED)
UNPRUNED = (Family.LOGISTIC_UNPRUNED, Scope.POOLED)
PARTS = tuple(
    (family, Scope.POOLED)
    for family in (
        Family.LOGISTIC_PRUNING,
        Family.LOGISTIC_TOGETHER,
        Family.LOGISTIC_READINGS,
        Family.LOGISTIC_UNPRUNED,
        Family.LOGISTIC_ATTRACTION,
        Family.LOGISTIC,
    )
)
"""What the published procedure is put together from, each by the same regression on its own."""
LEAK = (Family.UNTOUCHED, Scope.CHOSEN)
OBSERVABLE = (Family.OBSERVABLE, Scope.CHOSEN)

Procedure = tuple[Family, Scope]
HeldOut = dict[Procedure, Array]  # probabilities (repeats, N, P)

_MEMBERS: Mapping[Family, Callable[[Candidate], bool]] = MappingProxyType(
    {
        Family.ACCURACY: lambda candidate: _under(candidate, *PRUNING) and candidate.signals == ("accuracy",),
        Family.PRUNING: lambda candidate: _under(candidate, *PRUNING),
        Family.AMPLIFICATION: lambda candidate: _under(candidate, PruningMethod.AMPLIFY),
        Family.STIMULATION: lambda candidate: _under(candidate, PruningMethod.STIMULATE),
        Family.CLASSIFIER: lambda candidate: candidate.signals == SIGNALS_OF_WEIGHTS,
        Family.UNPRUNED: lambda candidate: candidate.signals == SIGNALS_UNPRUNED,
        Family.ONE_THETA: lambda candidate: candidate.pruned and len(candidate.thetas) == 1,
        Family.EVERYTHING: lambda _: True,
    }
)


def _under(candidate: Candidate, *methods: PruningMethod) -> bool:
    used = {theta.pruning_method for theta in candidate.thetas}
    return all(map(is_per_variant, candidate.signals)) and used <= set(methods)


def families(candidates: Sequence[Candidate]) -> dict[str, Mask]:
    """Which of the candidates are in each family that has any."""
    most = max(map(_variety, candidates))
    of_variants = tuple(dict.fromkeys(name for one in candidates for name in one.signals if is_per_variant(name)))
    members: Mapping[Family, Callable[[Candidate], bool]] = {
        **_MEMBERS,
        Family.TOGETHER: partial(_together, most, of_variants),
        Family.BESIDE: partial(_beside, most),
    }
    masks = {
        family.value: np.array([member(candidate) for candidate in candidates]) for family, member in members.items()
    }
    return {name: mask for name, mask in masks.items() if mask.any()}


def _variety(candidate: Candidate) -> tuple[int, int]:
    return len({theta.pruning_method for theta in candidate.thetas}), len(candidate.thetas)


def _together(most: tuple[int, int], of_variants: tuple[str, ...], candidate: Candidate) -> bool:
    """Of single thetas, where no more than one fits the time, those with signals and reduction as of several."""
    means = candidate.reduction is Reduction.MEAN and candidate.signals in (*SIGNALS_TOGETHER, of_variants)
    return means and _variety(candidate) == most


def _beside(most: tuple[int, int], candidate: Candidate) -> bool:
    """The same of every set of thetas: those of one method cost less, and may do as well."""
    _, largest = most
    return candidate.signals in SIGNALS_BESIDE and (len(candidate.thetas) > 1 or largest == 1)


def searched_features(readings: Sequence[ArchitectureReadings]) -> CandidateFeatures:
    """Everything that is within the time budget."""
    return CandidateFeatures.of(readings, _candidates(readings))


def published_candidates(readings: Sequence[ArchitectureReadings]) -> list[Candidate]:
    """What the published procedure chooses among; raises MissingSignalError if its signals were not measured."""
    candidates = _candidates(readings)
    beside = families(candidates).get(Family.BESIDE)
    if beside is None:
        raise MissingSignalError("; ".join(signals_left_out(readings).values()), readings[0].architecture)
    return list(compress(candidates, beside))


def cheaper_candidates(readings: Sequence[ArchitectureReadings]) -> list[Candidate]:
    """The same signals of single thetas, for short time budgets."""
    published = published_candidates(readings)
    return [
        candidate
        for candidate in _candidates(readings)
        if candidate.signals in SIGNALS_BESIDE and candidate not in published
    ]


def _candidates(readings: Sequence[ArchitectureReadings]) -> tuple[Candidate, ...]:
    thetas = affordable(readings)
    return all_candidates(thetas, sets_together(readings, thetas), signals_left_out(readings))


def _logistic_parts(readings: Sequence[ArchitectureReadings]) -> dict[Family, list[Candidate]]:
    """The candidates of the published procedure, and the same without a part of their signals or thetas."""
    everything = published_candidates(readings)
    together = _without(everything, SIGNALS_UNPRUNED)
    unpruned = [replace(everything[0], signals=SIGNALS_UNPRUNED)]
    parts = {
        Family.LOGISTIC_PRUNING: [candidate for candidate in together if _under(candidate, *PRUNING)],
        Family.LOGISTIC_TOGETHER: together,
        Family.LOGISTIC_READINGS: _without(unpruned, ("attraction",)),
        Family.LOGISTIC_UNPRUNED: unpruned,
        Family.LOGISTIC_ATTRACTION: _without(everything, ("unpruned",)),
        Family.LOGISTIC: everything,
    }
    return {family: candidates for family, candidates in parts.items() if candidates}


def _without(candidates: Sequence[Candidate], left_out: Sequence[str]) -> list[Candidate]:
    return [
        replace(candidate, signals=tuple(signal for signal in candidate.signals if signal not in left_out))
        for candidate in candidates
    ]


def covariate_names(readings: Sequence[ArchitectureReadings]) -> tuple[str, ...]:
    """The untouched readings that all models of all architectures have."""
    shared = set.intersection(*(set(own.untouched) for own in readings))
    return tuple(sorted(name for name in shared if all(np.isfinite(own.untouched[name]).all() for own in readings)))


def covariate_features(readings: Sequence[ArchitectureReadings], names: Sequence[str]) -> CandidateFeatures:
    """Each of these untouched readings alone, and all together; the search over them has one stage."""
    columns = [_in_deviations([own.untouched[name] for own in readings]) for name in names]
    together = np.column_stack(columns)
    blocks = (together.T[..., None], together[None])
    count = len(columns) + 1
    return CandidateFeatures((), blocks, np.arange(count), np.ones(count, dtype=bool))


def published(readings: Sequence[ArchitectureReadings], design: Design) -> LogisticSearch:
    """The published procedure, ready to be fitted and judged."""
    return LogisticSearch.of(readings, published_candidates(readings), design, CLIP)


def all_answers(readings: Sequence[ArchitectureReadings], design: Design) -> HeldOut:
    """What every procedure says of every model that it has not seen."""

    answers = _in_all_scopes(readings, design, searched_features, lambda features: families(features.candidates))
    for family, candidates in _logistic_parts(readings).items():
        answers[family, Scope.POOLED] = LogisticSearch.of(readings, candidates, design, CLIP).held_out()
    everything = covariate_names(readings)
    visible = [name for name in everything if name not in HISTORY]  # not so the log, which no detector is given
    for family, names in ((Family.OBSERVABLE, visible), (Family.UNTOUCHED, everything)):
        make_features = partial(covariate_features, names=names)
        answers |= _in_all_scopes(readings, design, make_features, partial(_everything, family))
    if all(paper_candidates(affordable([own])) for own in readings):
        answers[PAPER] = np.concatenate([_paper(own, design.part(i)) for i, own in enumerate(readings)], axis=1)
    return answers


def _in_deviations(groups: Sequence[Array]) -> Array:
    """Of all architectures, in units of the largest standard deviation within one: these numbers have any unit."""
    return np.concatenate(groups) / (max(float(group.std()) for group in groups) or 1.0)


def _everything(family: Family, features: CandidateFeatures) -> dict[str, Mask]:
    return {family.value: np.ones(len(features.group), dtype=bool)}


def _paper(readings: ArchitectureReadings, design: Design) -> Array:
    features = CandidateFeatures.of([readings], paper_candidates(affordable([readings])))
    parts = {"": np.ones(len(features.candidates), dtype=bool)}
    return cross_validate(features, design, parts, OLS_PENALTIES, CLIP, calibrated=False)[""].probabilities


def _in_all_scopes(
    readings: Sequence[ArchitectureReadings],
    design: Design,
    make_features: Callable[[Sequence[ArchitectureReadings]], CandidateFeatures],
    parts: Callable[[CandidateFeatures], dict[str, Mask]],
) -> HeldOut:
    pooled = _validated(make_features(readings), design, parts)
    alone = [_validated(make_features([own]), design.part(i), parts) for i, own in enumerate(readings)]
    answers: HeldOut = {}
    for name in pooled:
        answers[Family(name), Scope.ALONE] = _joined([own[name] for own in alone])
        answers[Family(name), Scope.POOLED] = pooled[name].probabilities
        answers[Family(name), Scope.CHOSEN] = _chosen({name}, alone, pooled, design)
    if len(pooled) > 1:
        answers[Family.BEST, Scope.CHOSEN] = _chosen(set(pooled), alone, pooled, design)
    return answers


def _chosen(
    names: set[str], alone: Sequence[Mapping[str, CrossValidated]], pooled: Mapping[str, CrossValidated], design: Design
) -> Array:
    """For each architecture and fold the family and scope that are best inside the fold."""
    best = []
    for number, own in enumerate(alone):
        options = [
            option for name in own if name in names for option in (own[name], _part(pooled[name], design, number))
        ]
        folds = design.part(number).folds.numbers
        best.append(reduce(lambda first, second: better(first, second, folds), options))
    return _joined(best)


def _validated(
    features: CandidateFeatures, design: Design, parts: Callable[[CandidateFeatures], dict[str, Mask]]
) -> dict[str, CrossValidated]:
    return cross_validate(features, design, parts(features), RIDGE_PENALTIES, CLIP)


def _part(validated: CrossValidated, design: Design, architecture: int) -> CrossValidated:
    rows = design.architecture == architecture
    losses = validated.inner_losses[:, :, architecture : architecture + 1]
    return CrossValidated(validated.probabilities[:, rows], losses)


def _joined(parts: Sequence[CrossValidated]) -> Array:
    return np.concatenate([part.probabilities for part in parts], axis=1)
