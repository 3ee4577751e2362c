"""The bundle `universal`: one mapping for every architecture and image size, and cheaper ones for short budgets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from detector.examples.choice import ImageChoice
from detector.learning.evaluation.metrics import cross_entropies, error_rate, roc_auc
from detector.learning.experience import seen
from detector.mapping.any_of import AnyOf
from detector.mapping.bundles import Bundle, write_bundle
from detector.mapping.configuration import Clip, Configuration, Figures
from detector.mapping.known import MOST_ANSWERS, Known, known_networks
from detector.mapping.parameters import ANY_ARCHITECTURE, LearnedParameters, Provenance
from detector.rounds.preprocessing import PROFILES
from detector.signals.features import ModelFeature
from laboratory.domains.answers import ModelAnswers
from laboratory.domains.evaluation import CLIP, FEATURES, fitted, nested
from laboratory.domains.readings import Domains, domains_of
from laboratory.domains.restriction import LADDER, PROBES, Cost, restricted

NAME = "universal"
_ENOUGH = 10  # networks of an image size for the bundle to be judged by them
_EVALUATION = (
    "Nested five-fold cross-validation over the models; docs/domains.md has the figures of every domain that was left "
    "out of the fit, which are what counts for networks of somebody else's making."
)


def write_universal(answers: Sequence[ModelAnswers], directory: Path) -> Path:
    """Fit the mapping at every cost and write the bundle into `directory`; returns its path."""
    configurations = tuple(configuration(answers, cost) for cost in LADDER)
    labels = np.array([one.poisoned for one in answers])
    rounds, sizes = ", ".join(sorted({one.name.split("/")[0] for one in answers})), _sizes(answers)
    provenance = Provenance(
        round=rounds,
        num_models=len(labels),
        num_poisoned=int(labels.sum()),
        evaluation=_EVALUATION,
        source="python -m laboratory.domains",
        notes=(f"Fitted on networks that see images of so many pixels a side: {_told(sizes)}.",),
        architectures=tuple(sorted({one.architecture for one in answers})),
        sizes=tuple(size for size in sorted(sizes) if sizes[size] >= _ENOUGH),
    )
    base_rate = 0.5  # of rounds of NIST's, which are balanced; ours lose more poisoned models than clean ones
    parameters = LearnedParameters(
        ANY_ARCHITECTURE, PROFILES["small"], base_rate, Clip(*CLIP), configurations, provenance
    )
    description = (
        f"One mapping for all architectures, learned from {len(labels)} models ({rounds}): unpruned networks on images "
        "under photo filters and polygons, in units of the network itself."
    )
    return write_bundle(directory, Bundle(NAME, "1", description, base_rate), [parameters])


def _sizes(answers: Sequence[ModelAnswers]) -> Mapping[int, int]:
    """How many networks see images of so many pixels a side."""
    return Counter(int(one.facts["cnn_img_size_pixels"]) for one in answers if "cnn_img_size_pixels" in one.facts)


def _told(sizes: Mapping[int, int]) -> str:
    return ", ".join(f"{size} ({sizes[size]})" for size in sorted(sizes))


def configuration(answers: Sequence[ModelAnswers], cost: Cost) -> Configuration:
    """What is measured at that cost, and the mapping fitted on it."""
    domains = domains_of([restricted(one, cost) for one in answers])
    inputs = tuple(map(_feature, FEATURES))
    return Configuration(
        images=ImageChoice(cost.images),
        thetas=(),
        probes=PROBES[: cost.probes],
        inputs=inputs,
        mapping=_renamed(fitted(domains)),
        held_out=_figures(domains),
        experience=tuple((one.name, seen(domains.column(name))) for one, name in zip(inputs, FEATURES, strict=True)),
        known=known_networks([one.name for one in inputs], domains.columns(FEATURES), domains.labels),
    )


def _feature(name: str) -> ModelFeature:
    signal, number = name.split(".")
    return ModelFeature(f"{signal}_{number}", signal, number)


def _renamed(mapping: AnyOf) -> AnyOf:
    """With the names that features have in bundles."""
    causes = tuple(replace(cause, feature=cause.feature.replace(".", "_")) for cause in mapping.causes)
    return replace(mapping, causes=causes)


def _figures(domains: Domains) -> Figures:
    probabilities = nested(domains, domains.labels)
    return Figures(
        num_models=len(domains.labels),
        error_rate=round(float(error_rate(probabilities, domains.labels)), 4),
        cross_entropy=round(float(cross_entropies(probabilities, domains.labels).mean()), 4),
        roc_auc=round(float(roc_auc(probabilities, domains.labels)), 4),
        answers=Known.of(probabilities, domains.labels, MOST_ANSWERS),
    )
