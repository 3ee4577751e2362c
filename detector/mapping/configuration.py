"""A configuration: what is measured of a model, the features that are made of it, and the mapping fitted on them.

Plain data, valid by construction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from detector.examples.choice import ImageChoice
from detector.mapping.known import Known, KnownNetworks
from detector.mapping.port import FittedMapping
from detector.mapping.weighted_sum import weighted_sum
from detector.probing.probe import Probe
from detector.pruning.theta import SelectionRule, Theta
from detector.signals.features import STATISTICS, Feature, Reduction, VariantFeature, make_features
from detector.signals.registry import SIGNALS, Scope, model_signal, variant_signal


@dataclass(frozen=True)
class Clip:
    """The interval that probabilities are clipped to: a wrong certain answer costs 27.6 nats, a wrong 0.99 only 4.6."""

    low: float = 0.01
    high: float = 0.99

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 1:
            raise ValueError(f"expected 0 <= low < high <= 1 in clip, got {self.low}, {self.high}")

    def __call__(self, probability: float) -> float:
        """The nearest probability of the interval."""
        return min(max(probability, self.low), self.high)


@dataclass(frozen=True)
class Figures:
    """How well a configuration did on `num_models` models: `error_rate` in [0, 1], mean `cross_entropy` in nats.

    `answers` are the probabilities themselves, to draw curves of; of a repeated procedure the mean of each model. None
    where nobody has kept them.
    """

    num_models: int
    error_rate: float
    cross_entropy: float
    roc_auc: float | None = None
    answers: Known | None = None


@dataclass(frozen=True)
class Configuration:
    """One way to measure, and the mapping fitted on such measurements.

    Attributes
    ----------
    images
        The images that everything is measured on.
    thetas, probes
        What is done to the network, and to the images; either may be empty.
    inputs
        The features that the mapping is applied to, by name; `theta` of a feature counts the thetas from 0.
    held_out, in_sample
        Figures from models that took no part in the fit, and from those of the fit; None says that there are none.
    experience
        Pairs of a feature's name and the lowest and highest value of it in training; of any features, or of none.
    known
        What the networks of training read, to show where another one stands; no answer depends on it.
    """

    images: ImageChoice
    thetas: tuple[Theta, ...]
    probes: tuple[Probe, ...]
    inputs: tuple[Feature, ...]
    mapping: FittedMapping
    held_out: Figures | None = None
    in_sample: Figures | None = None
    experience: tuple[tuple[str, tuple[float, float]], ...] = ()
    known: KnownNetworks = ()

    def __post_init__(self) -> None:
        if len(set(self.thetas)) < len(self.thetas) or len(set(self.probes)) < len(self.probes):
            raise ValueError("expected thetas and probes, each once")
        if any(ImageChoice.of(theta) != self.images for theta in self.thetas):
            raise ValueError("expected thetas that are measured on the same images: one |D|, one rule")
        if not self.inputs or len(set(self.features)) < len(self.inputs):
            raise ValueError(f"expected one or more features, each once, got {', '.join(self.features) or 'none'}")
        for feature in self.inputs:
            self._check(feature)
        for name, (low, high) in self.experience:
            if name not in self.features or not low <= high or not all(map(math.isfinite, (low, high))):
                raise ValueError(f"expected low <= high of a feature in experience, got {name!r}: {low}, {high}")
        strangers = sorted({name for name, _ in self.known} - set(self.features))
        if strangers:
            raise ValueError(f"expected known networks of the features alone, got {strangers[0]!r}")

    def _check(self, feature: Feature) -> None:
        if isinstance(feature, VariantFeature):
            variant_signal(feature.signal)
            if not 0 <= feature.theta < len(self.thetas):
                raise ValueError(f"expected one of the {len(self.thetas)} thetas in {feature.name!r}")
            if isinstance(feature.of, int) and not 0 <= feature.of < self.num_pruned_models[feature.theta]:
                raise ValueError(f"expected one of the variants of its theta in {feature.name!r}")
            return
        if feature.number not in model_signal(feature.signal).numbers:
            raise ValueError(f"expected a number of {feature.signal} in {feature.name!r}, got {feature.number!r}")
        if SIGNALS[feature.signal].scope is Scope.PROBE and not self.probes:
            raise ValueError(f"expected probes, for the feature {feature.name!r}")

    @classmethod
    def of(
        cls,
        thetas: tuple[Theta, ...],
        signals: tuple[str, ...],
        reduction: Reduction,
        kind: str,
        intercept: float,
        coefficients: Sequence[float],
        held_out: Figures | None = None,
        in_sample: Figures | None = None,
        *,
        numbers: Callable[[str], Sequence[str]] | None = None,
    ) -> Configuration:
        """All features of some signals under thetas, and a regression with a coefficient for each of them, in order.

        `kind` names a mapping that is a weighted sum; `numbers` is as in `make_features`.

        Raises
        ------
        ValueError
            There is no theta, a signal is named twice, or coefficients are not one a feature.
        UnknownEntryError
            There is no such signal or mapping.
        """
        if not signals or len(set(signals)) < len(signals):
            raise ValueError(f"expected one or more signals, each once, got {', '.join(signals) or 'none'}")
        if not thetas:
            raise ValueError("expected one or more thetas, each once, got none")
        inputs = make_features(signals, reduction, [theta.num_pruned_models for theta in thetas], numbers)
        mapping = weighted_sum(kind, intercept, [feature.name for feature in inputs], coefficients)
        return cls(ImageChoice.of(thetas[0]), thetas, (), inputs, mapping, held_out, in_sample)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features."""
        return tuple(feature.name for feature in self.inputs)

    @property
    def signals(self) -> tuple[str, ...]:
        """The signals that the features are made of, in their order."""
        return tuple(dict.fromkeys(feature.signal for feature in self.inputs))

    @property
    def reduction(self) -> Reduction | None:
        """What all features make of the readings of variants; None where there is no one word for it."""
        made = {feature.of for feature in self.inputs if isinstance(feature, VariantFeature)}
        if made and all(isinstance(one, int) for one in made):
            return Reduction.VARIANTS
        whole: dict[frozenset[str | int], Reduction] = {
            frozenset({"mean"}): Reduction.MEAN,
            frozenset(STATISTICS): Reduction.SUMMARY,
        }
        return whole.get(frozenset(made))

    @property
    def kind(self) -> str:
        """The name of the mapping."""
        return self.mapping.name

    @property
    def num_pruned_models(self) -> tuple[int, ...]:
        """|S| of each theta."""
        return tuple(theta.num_pruned_models for theta in self.thetas)

    @property
    def num_images(self) -> int:
        """|D|."""
        return self.images.num_images

    @property
    def rule(self) -> SelectionRule:
        """The rule that selects the images."""
        return self.images.rule

    @property
    def num_passes(self) -> int:
        """How often all images are run through a network, beside the unpruned pass: |S| of all thetas, and probes."""
        return sum(self.num_pruned_models) + len(self.probes)

    @property
    def cost(self) -> int:
        """Forward passes of one image that the measurement takes."""
        return self.num_passes * self.num_images
