"""Learned parameters of one architecture: the ways to measure and to answer, and what they are worth.

Plain data, valid by construction, and its form as a JSON document (`learned_parameters.schema.json`), in which all is
found by name: features, coefficients, signals with their versions. Documents of format 3, where coefficients stood in
the order of the features, are still read.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from detector.architectures import ARCHITECTURES
from detector.base.findings import Json
from detector.examples.choice import ImageChoice
from detector.mapping.configuration import Clip, Configuration, Figures
from detector.mapping.documents import Document
from detector.mapping.known import Known, known_from_document, known_to_document
from detector.mapping.port import mapping_from_document, mapping_to_document
from detector.probing.probe import Probe
from detector.pruning.theta import SelectionRule, theta_from_document, theta_to_document
from detector.rounds.preprocessing import PROFILES, Preprocessing
from detector.signals.features import Feature, ModelFeature, Reduction, VariantFeature
from detector.signals.legacy import FIRST_NUMBERS, FIRST_VERSION
from detector.signals.registry import SIGNALS

FORMAT_VERSION = 4
ANY_ARCHITECTURE = "any"
"""What stands for the architecture in parameters that serve all of them."""
SCHEMA = "learned_parameters.schema.json"
OLDER_SCHEMAS = {3: "learned_parameters_3.schema.json"}
"""Schemas of the formats that are still read, by format version."""


@dataclass(frozen=True)
class Provenance:
    """Where the coefficients come from; `evaluation` says in words how they were evaluated and what that is worth.

    `architectures` are those of the models, `sizes` the pixels a side that enough of them see to judge by; empty where
    that is not known, as in older bundles.
    """

    round: str
    num_models: int
    num_poisoned: int
    evaluation: str
    source: str
    notes: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()


@dataclass(frozen=True)
class LearnedParameters:
    """All that was learned for one architecture, or for any.

    `base_rate` is the share of poisoned models among those fitted on.
    """

    architecture: str
    preprocessing: Preprocessing
    base_rate: float
    clip: Clip
    configurations: tuple[Configuration, ...]
    provenance: Provenance

    def __post_init__(self) -> None:
        if self.architecture not in (*ARCHITECTURES, ANY_ARCHITECTURE):
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
        "provenance": _provenance_document(parameters.provenance),
    }


def _configuration_document(configuration: Configuration) -> Document:
    return {
        "images": asdict(configuration.images),
        "thetas": [theta_to_document(theta) for theta in configuration.thetas],
        "probes": [probe.to_document() for probe in configuration.probes],
        "signals": {signal: SIGNALS[signal].version for signal in configuration.signals},
        "features": [asdict(feature) for feature in configuration.inputs],
        "mapping": mapping_to_document(configuration.mapping),
        "experience": {name: list(bounds) for name, bounds in configuration.experience},
        **({"known": known_to_document(configuration.known)} if configuration.known else {}),
        "cost": configuration.cost,
        "held_out": _figures_document(configuration.held_out),
        "in_sample": _figures_document(configuration.in_sample),
    }


def _figures_document(figures: Figures | None) -> Document | None:
    """Without answers that nobody has kept, as before there were any."""
    if figures is None:
        return None
    numbers: Document = {key: value for key, value in asdict(figures).items() if key != "answers"}
    return numbers if figures.answers is None else numbers | {"answers": figures.answers.to_document()}


def _provenance_document(provenance: Provenance) -> dict[str, Json]:
    """Without architectures and sizes that are not known, as before there were any."""
    fields: dict[str, Any] = asdict(provenance)
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in fields.items()}
    return {key: value for key, value in plain.items() if value or key not in ("architectures", "sizes")}


def from_document(document: Document) -> LearnedParameters:
    """Back from the JSON form, of this format or an older one, which must be valid against the schema of its format.

    Raises
    ------
    ValueError
        What the schema cannot say is wrong: names, versions, counts, the order of the clip interval, the cost.
    ParametersError
        A signal, mapping, pruning method or probe is not known; the error names it.
    """
    if document["preprocessing"] not in PROFILES:
        raise ValueError(f"expected one of the profiles {', '.join(PROFILES)}, got {document['preprocessing']!r}")
    provenance = document["provenance"]
    lists = {name: tuple(provenance.get(name, ())) for name in ("notes", "architectures", "sizes")}
    read = _configuration if document["format_version"] == FORMAT_VERSION else _configuration_of_format_3
    return LearnedParameters(
        architecture=document["architecture"],
        preprocessing=PROFILES[document["preprocessing"]],
        base_rate=float(document["base_rate"]),
        clip=Clip(*map(float, document["clip"])),
        configurations=tuple(map(read, document["configurations"])),
        provenance=Provenance(**provenance | lists),
    )


def _configuration(document: Document) -> Configuration:
    for signal, version in document["signals"].items():
        _check_version(signal, version)
    inputs = tuple(map(_feature, document["features"]))
    made_of = {feature.signal for feature in inputs}
    if made_of != document["signals"].keys():
        differing = sorted(made_of ^ document["signals"].keys())
        raise ValueError(f"expected versions of the signals of all features and of no others, see {differing[0]!r}")
    images = document["images"]
    configuration = Configuration(
        images=ImageChoice(int(images["num_images"]), SelectionRule(images["rule"])),
        thetas=tuple(map(theta_from_document, document["thetas"])),
        probes=tuple(map(Probe.from_document, document["probes"])),
        inputs=inputs,
        mapping=mapping_from_document(document["mapping"], [feature.name for feature in inputs]),
        held_out=_figures(document["held_out"]),
        in_sample=_figures(document["in_sample"]),
        experience=tuple((name, (float(low), float(high))) for name, (low, high) in document["experience"].items()),
        known=known_from_document(document.get("known", {})),
    )
    return _with_cost(configuration, document["cost"])


def _check_version(signal: str, version: int) -> None:
    known = SIGNALS[signal].version
    if version != known:
        raise ValueError(f"expected version {known} of the signal {signal!r}, got version {version}")


def _feature(document: Document) -> Feature:
    name, signal = document["name"], document["signal"]
    if "number" in document:
        return ModelFeature(name, signal, document["number"])
    of = document["of"]
    return VariantFeature(name, signal, int(document["theta"]), of if isinstance(of, str) else int(of))


def _configuration_of_format_3(document: Document) -> Configuration:
    """Coefficients in the order of the features that the first versions of the signals gave."""
    for signal in document["signals"]:
        _check_version(signal, FIRST_VERSION)
    configuration = Configuration.of(
        thetas=tuple(map(theta_from_document, document["thetas"])),
        signals=tuple(document["signals"]),
        reduction=Reduction(document["reduction"]),
        kind=document["kind"],
        intercept=float(document["intercept"]),
        coefficients=tuple(map(float, document["coefficients"])),
        held_out=_figures(document["held_out"]),
        in_sample=_figures(document["in_sample"]),
        numbers=FIRST_NUMBERS.__getitem__,
    )
    return _with_cost(configuration, document["cost"])


def _with_cost(configuration: Configuration, cost: int) -> Configuration:
    if cost != configuration.cost:
        raise ValueError(f"expected the cost |S| * |D| = {configuration.cost}, got {cost}")
    return configuration


def _figures(document: Document | None) -> Figures | None:
    if document is None:
        return None
    answers = document.get("answers")
    return Figures(**document | {"answers": None if answers is None else Known.from_document(answers)})
