"""Learned parameters of one architecture: how to measure, the regression to apply, and what both are worth.

Plain data, valid by construction, and its form as a JSON document (`learned_parameters.schema.json`).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from detector.architectures import ARCHITECTURES
from detector.base.findings import Json
from detector.mapping.documents import Document
from detector.pruning.theta import SelectionRule, Theta, theta_from_document, theta_to_document
from detector.rounds.preprocessing import PROFILES, Preprocessing
from detector.signals.features import Reduction, feature_names

FORMAT_VERSION = 3


class MappingKind(StrEnum):
    """What is done with b0 + sum of b_k a_k."""

    LINEAR = "linear"  # it is the probability: ordinary least squares on 0 and 1, the paper's choice
    LOGISTIC = "logistic"  # it is the logarithm of the odds


@dataclass(frozen=True)
class Clip:
    """The interval that probabilities are clipped to: a wrong certain answer costs 27.6 nats, a wrong 0.99 only 4.6."""

    low: float = 0.01
    high: float = 0.99

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 1:
            raise ValueError(f"expected 0 <= low < high <= 1 in clip, got {self.low}, {self.high}")


@dataclass(frozen=True)
class Figures:
    """How well a configuration did on `num_models` models: `error_rate` in [0, 1], mean `cross_entropy` in nats."""

    num_models: int
    error_rate: float
    cross_entropy: float
    roc_auc: float | None = None


@dataclass(frozen=True)
class Configuration:
    """One way to measure, and the regression fitted on such measurements.

    All `thetas` are measured on the same images, so |D| and the rule that selects them are the same. `coefficients` has
    one entry for each feature: `signals` in their order, in each theta by theta, reduced over the variants as
    `reduction` says. `held_out` figures come from models that took no part in the fit, `in_sample` figures from the
    models of the fit; None says that there are none.
    """

    thetas: tuple[Theta, ...]
    signals: tuple[str, ...]
    reduction: Reduction
    kind: MappingKind
    intercept: float
    coefficients: tuple[float, ...]
    held_out: Figures | None = None
    in_sample: Figures | None = None

    def __post_init__(self) -> None:
        if not self.signals or len(set(self.signals)) < len(self.signals):
            raise ValueError(f"expected one or more signals, each once, got {', '.join(self.signals) or 'none'}")
        if not self.thetas or len(set(self.thetas)) < len(self.thetas):
            raise ValueError(f"expected one or more thetas, each once, got {len(self.thetas)}")
        if len({(theta.num_images, theta.rule) for theta in self.thetas}) > 1:
            raise ValueError("expected thetas that are measured on the same images: one |D|, one rule")
        expected = len(self.features)
        if len(self.coefficients) != expected:
            raise ValueError(f"expected {expected} coefficients, one a feature, got {len(self.coefficients)}")
        if not all(map(math.isfinite, (self.intercept, *self.coefficients))):
            raise ValueError("expected finite coefficients")

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features, one for each coefficient."""
        return feature_names(self.signals, self.reduction, self.num_pruned_models)

    @property
    def num_pruned_models(self) -> tuple[int, ...]:
        """|S| of each theta."""
        return tuple(theta.num_pruned_models for theta in self.thetas)

    @property
    def num_images(self) -> int:
        """|D|."""
        return self.thetas[0].num_images

    @property
    def rule(self) -> SelectionRule:
        """The rule that selects the images."""
        return self.thetas[0].rule

    @property
    def cost(self) -> int:
        """Forward passes that the measurement takes, |S| * |D|, summed over the thetas."""
        return sum(self.num_pruned_models) * self.num_images


@dataclass(frozen=True)
class Provenance:
    """Where the coefficients come from; `evaluation` says in words how they were evaluated and what that is worth."""

    round: str
    num_models: int
    num_poisoned: int
    evaluation: str
    source: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LearnedParameters:
    """All that was learned for one architecture. `base_rate` is the share of poisoned models among those fitted on."""

    architecture: str
    preprocessing: Preprocessing
    base_rate: float
    clip: Clip
    configurations: tuple[Configuration, ...]
    provenance: Provenance

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise ValueError(f"expected one of the {len(ARCHITECTURES)} architectures, got {self.architecture!r}")
        if not self.configurations:
            raise ValueError("expected at least one configuration")
        if not 0 <= self.base_rate <= 1:
            raise ValueError(f"expected a base rate in [0, 1], got {self.base_rate}")


def to_document(parameters: LearnedParameters) -> Document:
    """The JSON form."""
    return {
        "format_version": FORMAT_VERSION,
        "architecture": parameters.architecture,
        "preprocessing": parameters.preprocessing.name,
        "base_rate": parameters.base_rate,
        "clip": [parameters.clip.low, parameters.clip.high],
        "configurations": [_configuration_document(configuration) for configuration in parameters.configurations],
        "provenance": _jsonable(asdict(parameters.provenance)),
    }


def _configuration_document(configuration: Configuration) -> Document:
    thetas = [theta_to_document(theta) for theta in configuration.thetas]
    return _jsonable(asdict(configuration)) | {"thetas": thetas, "cost": configuration.cost}


def _jsonable(fields: dict[str, Any]) -> dict[str, Json]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in fields.items()}


def from_document(document: Document) -> LearnedParameters:
    """Back from the JSON form, which must be valid against the schema.

    Raises
    ------
    ValueError
        What the schema cannot say is wrong: names, counts, the order of the clip interval, the cost.
    """
    if document["preprocessing"] not in PROFILES:
        raise ValueError(f"expected one of the profiles {', '.join(PROFILES)}, got {document['preprocessing']!r}")
    provenance = document["provenance"]
    return LearnedParameters(
        architecture=document["architecture"],
        preprocessing=PROFILES[document["preprocessing"]],
        base_rate=float(document["base_rate"]),
        clip=Clip(*map(float, document["clip"])),
        configurations=tuple(map(_configuration, document["configurations"])),
        provenance=Provenance(**provenance | {"notes": tuple(provenance["notes"])}),
    )


def _configuration(document: Document) -> Configuration:
    configuration = Configuration(
        thetas=tuple(map(theta_from_document, document["thetas"])),
        signals=tuple(map(str, document["signals"])),
        reduction=Reduction(document["reduction"]),
        kind=MappingKind(document["kind"]),
        intercept=float(document["intercept"]),
        coefficients=tuple(map(float, document["coefficients"])),
        held_out=_figures(document["held_out"]),
        in_sample=_figures(document["in_sample"]),
    )
    if document["cost"] != configuration.cost:
        raise ValueError(f"expected the cost |S| * |D| = {configuration.cost}, got {document['cost']}")
    return configuration


def _figures(document: Document | None) -> Figures | None:
    return None if document is None else Figures(**document)
