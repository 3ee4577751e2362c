"""The search space of one regression: thetas, one or several together, with every set of signals and every reduction.

Each candidate is a feature matrix, made from readings alone and blind to labels. Configurations that take longer than
the budget are left out here, by the paper's L_exec = T / T_max <= 1, since time does not depend on labels.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from detector.examples.choice import ImageChoice
from detector.learning.regression.fit import Fitted
from detector.mapping.configuration import Configuration
from detector.mapping.known import known_networks
from detector.pruning.theta import PruningMethod, SelectionRule, Theta
from detector.signals.features import Feature, Reduction, make_features
from detector.signals.registry import is_per_variant, per_variant
from detector.sweep.readings import ArchitectureReadings

Array = NDArray[np.float64]
_T = TypeVar("_T", tuple[int, int], tuple[int, SelectionRule])

MAX_SECONDS = 60.0  # the paper's T_max
PRUNING = (PruningMethod.REMOVE, PruningMethod.RESET, PruningMethod.TRIM)  # the paper's methods
# Of thetas together the means alone, and few sets of signals beside all of a variant's: there are enough features, and
# each choice costs.
SIGNALS_TOGETHER = (("accuracy",), ("accuracy", "margin"), ("accuracy", "lowest_recall"))
SIGNALS_OF_WEIGHTS = ("classifier_weights",)
# What the unpruned network answers: what the other signals depend on, and a trojan's traces.
SIGNALS_UNPRUNED = ("attraction", "unpruned")
SIGNALS_BESIDE = (("accuracy", "margin", *SIGNALS_UNPRUNED), ("margin", *SIGNALS_UNPRUNED))


@dataclass(frozen=True)
class Candidate:
    """One way to turn a model into features. Without a variant's signal a theta only says which images are taken."""

    thetas: tuple[Theta, ...]
    signals: tuple[str, ...]
    reduction: Reduction

    def features(self, readings: ArchitectureReadings) -> Array:
        """The features (M, length) of the models of one architecture."""
        return readings.features(self.inputs, self.thetas)

    @property
    def inputs(self) -> tuple[Feature, ...]:
        """The features by name."""
        return make_features(self.signals, self.reduction, [theta.num_pruned_models for theta in self.thetas])

    def configuration(self, fitted: Fitted) -> Configuration:
        """With what was fitted on the features, and no figures yet."""
        mapping = fitted.mapping([feature.name for feature in self.inputs])
        return Configuration(ImageChoice.of(self.thetas[0]), self.thetas, (), self.inputs, mapping)

    def known_to(self, readings: ArchitectureReadings, fitted: Fitted) -> Configuration:
        """The same, with what these models read, to show where another one stands among them."""
        configuration = self.configuration(fitted)
        known = known_networks(configuration.features, self.features(readings), readings.poisoned)
        return replace(configuration, known=known)

    @property
    def cost(self) -> int:
        """Forward passes that the measurement takes."""
        return sum(theta.num_pruned_models * theta.num_images for theta in self.thetas)

    @property
    def pruned(self) -> bool:
        """Whether any variant is measured."""
        return any(map(is_per_variant, self.signals))


def affordable(readings: Sequence[ArchitectureReadings], max_seconds: float = MAX_SECONDS) -> tuple[Theta, ...]:
    """The points that all these architectures were measured at, each with a median time within the budget."""
    first, *others = readings
    shared = [theta for theta in first.thetas if all(theta in other.thetas for other in others)]
    return tuple(theta for theta in shared if all(seconds(own, theta) <= max_seconds for own in readings))


def signals_left_out(readings: Sequence[ArchitectureReadings]) -> Mapping[str, str]:
    """The signals of the search that some of the readings lack or hold by another version, and why."""
    searched = (*per_variant(), *SIGNALS_UNPRUNED, *SIGNALS_OF_WEIGHTS)
    reasons = {signal: [own.why_not(signal) for own in readings] for signal in searched}
    return {signal: next(filter(None, why)) for signal, why in reasons.items() if any(why)}


def seconds(readings: ArchitectureReadings, theta: Theta) -> float:
    """Median time of a measurement."""
    return float(np.median(readings.seconds[readings.thetas.index(theta)]))


def all_candidates(
    thetas: Sequence[Theta], together: Sequence[tuple[Theta, ...]] = (), left_out: Collection[str] = ()
) -> tuple[Candidate, ...]:
    """All that is searched: each theta by itself, the sets of thetas that are `together`, and no theta at all.

    Of one theta each signal alone and all of a variant's, both also beside the classifier's weights; and these alone.
    Of one and of several the means beside what the unpruned network answers; and that alone. No candidate takes a
    signal that is `left_out`.
    """
    of_variants = tuple(signal for signal in per_variant() if signal not in left_out)
    alone = [*((signal,) for signal in of_variants), of_variants]
    sets = (*SIGNALS_TOGETHER, of_variants)
    several = [Candidate(some, signals, Reduction.MEAN) for some in together for signals in sets]
    beside = [
        Candidate(some, signals, Reduction.MEAN)
        for some in (*((theta,) for theta in thetas), *together)
        for signals in SIGNALS_BESIDE
    ]
    measured = [Candidate((theta,), signals, how) for theta in thetas for signals in alone for how in Reduction]
    both = [
        replace(candidate, signals=(*candidate.signals, *SIGNALS_OF_WEIGHTS))
        for candidate in measured
        if candidate.reduction is Reduction.SUMMARY
    ]
    network = (
        Candidate((_cheapest(thetas),), SIGNALS_OF_WEIGHTS, Reduction.SUMMARY),
        Candidate((_cheapest(_alike(thetas)),), SIGNALS_UNPRUNED, Reduction.SUMMARY),
    )
    candidates = dict.fromkeys((*network, *measured, *both, *several, *beside))
    return tuple(one for one in candidates if one.signals and not set(one.signals) & set(left_out))


def _cheapest(thetas: Sequence[Theta]) -> Theta:
    return min(thetas, key=lambda theta: theta.num_pruned_models * theta.num_images)


def _alike(thetas: Sequence[Theta]) -> list[Theta]:
    """Those of the images that most of them have."""
    usual = most_frequent([(theta.num_images, theta.rule) for theta in thetas])
    return [theta for theta in thetas if (theta.num_images, theta.rule) == usual]


def sets_together(
    readings: Sequence[ArchitectureReadings], thetas: Sequence[Theta], max_seconds: float = MAX_SECONDS
) -> tuple[tuple[Theta, ...], ...]:
    """Sets of these thetas that one detection may measure: all of them, those of pruning, and of each other method.

    Of the |D| that most thetas have, each at the first of its |S|. Blind to labels, as the points themselves are. Where
    a set takes too long for one of the architectures, as many as fit are kept, evenly spread. The seconds are those of
    one thread: on a single core `infer`, which plans with a margin, may take a cheaper configuration.
    """
    alike = _alike(thetas)
    first = {replace(theta, num_pruned_models=1): theta for theta in reversed(alike)}
    distinct = [theta for theta in alike if theta in first.values()]
    methods = (tuple(PruningMethod), PRUNING, (PruningMethod.AMPLIFY,), (PruningMethod.STIMULATE,))
    sets = ([theta for theta in distinct if theta.pruning_method in some] for some in methods)
    fitting = dict.fromkeys(_fitting(readings, some, max_seconds) for some in sets)
    return tuple(some for some in fitting if len(some) > 1)


def _fitting(
    readings: Sequence[ArchitectureReadings], thetas: Sequence[Theta], max_seconds: float
) -> tuple[Theta, ...]:
    for count in range(len(thetas), 0, -1):
        part = tuple(thetas[number * len(thetas) // count] for number in range(count))
        if max(sum(seconds(own, theta) for theta in part) for own in readings) <= max_seconds:
            return part
    return ()


def most_frequent(sizes: Sequence[_T]) -> _T:
    """The most frequent one, of equals the smallest."""
    return max(sorted(set(sizes)), key=sizes.count)


def paper_candidates(thetas: Sequence[Theta]) -> tuple[Candidate, ...]:
    """The paper's: the accuracies of the variants, one by one, under its three pruning methods."""
    pruned = (theta for theta in thetas if theta.pruning_method in PRUNING)
    return tuple(Candidate((theta,), ("accuracy",), Reduction.VARIANTS) for theta in pruned)
