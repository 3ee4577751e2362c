"""The report of one run as data: everything behind the probability.

A report is made for failures too, with what was known by then; what is unknown is None. Text that came from the model
or its examples is shown only in printable form.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import metadata
from pathlib import Path

import detector
from detector.base.errors import ExitCode, printable
from detector.base.findings import Finding, Json
from detector.mapping.bundles import Bundle
from detector.mapping.configuration import Clip, Configuration, Figures
from detector.mapping.parameters import LearnedParameters, Provenance
from detector.mapping.predict import Prediction
from detector.model_file.records import ModelRecord
from detector.model_file.source import SavedModel
from detector.pruning.theta import Theta
from detector.report.answers import ExampleAnswer
from detector.report.contributions import Contribution
from detector.rounds.preprocessing import Preprocessing
from detector.signals.features import Reduction


class Basis(StrEnum):
    """What the probability rests on."""

    MEASURED = "measured"  # the regression, on what the pruned variants answered
    TAMPERED = "tampered"  # quality assurance: a known architecture, but changed
    UNKNOWN_ARCHITECTURE = "unknown_architecture"  # it cannot be measured: the bundle's base rate
    BASE_RATE = "base_rate"  # not measured, or not to be judged: the bundle's base rate
    NEUTRAL = "neutral"  # nothing at all: 0.5


@dataclass(frozen=True)
class Versions:
    """What ran."""

    detector: str = detector.__version__
    python: str = field(default_factory=platform.python_version)
    torch: str = field(default_factory=lambda: metadata.version("torch"))
    numpy: str = field(default_factory=lambda: metadata.version("numpy"))


@dataclass(frozen=True)
class ModelSummary:
    """The model file: what it is, and, once identified, which network it holds."""

    file: str
    sha256: str
    bytes: int
    format: str
    kind: str
    architecture: str | None = None
    num_classes: int | None = None

    @classmethod
    def of(
        cls,
        source: Path | SavedModel,
        record: ModelRecord,
        architecture: str | None = None,
        num_classes: int | None = None,
    ) -> ModelSummary:
        """The summary of a parsed file."""
        name = printable(source.name)
        return cls(name, record.sha256, record.file_bytes, record.format, record.kind, architecture, num_classes)


@dataclass(frozen=True)
class MappingSummary:
    """The learned parameters that were applied, and what they are worth."""

    bundle: str
    version: str
    kind: str
    base_rate: float
    clip: Clip
    cost: int
    held_out: Figures | None
    in_sample: Figures | None
    provenance: Provenance

    @classmethod
    def of(cls, bundle: Bundle, parameters: LearnedParameters, configuration: Configuration) -> MappingSummary:
        """The summary of one configuration of a bundle."""
        return cls(
            bundle.name,
            bundle.version,
            configuration.kind,
            parameters.base_rate,
            parameters.clip,
            configuration.cost,
            configuration.held_out,
            configuration.in_sample,
            parameters.provenance,
        )


@dataclass(frozen=True)
class Report:
    """One run.

    Attributes
    ----------
    probability
        What the result file holds.
    error
        The one line that stderr got, for every exit code but 0.
    examples
        File names of the images that were measured with.
    unpruned_accuracy
        Share of them that the network classifies correctly before pruning.
    readings
        By signal, whether the mapping uses it or not: a number for each variant, theta by theta, relative to the
        unpruned network but for the accuracy; of the signals that need no variants their statistics.
    features, signal_vector
        What the mapping was applied to: names and numbers, one for each coefficient.
    contributions
        The same by plain names: what each of them did to the answer, and where known networks have it.
    answers, strongest_probe
        What the network answers to each image, and the probe, as JSON, under which it leans most to one class.
    timings
        Seconds by stage, in order.
    budget_seconds
        The whole budget, from the start of the process.
    date
        When the run began, ISO 8601, UTC.
    command
        The words of the command line.
    settings
        The metaparameters of `infer`, by their names.
    """

    probability: float
    basis: Basis
    exit_code: ExitCode = ExitCode.ANSWERED
    error: str | None = None
    model: ModelSummary | None = None
    findings: tuple[Finding, ...] = ()
    preprocessing: Preprocessing | None = None
    examples: tuple[str, ...] | None = None
    unpruned_accuracy: float | None = None
    thetas: tuple[Theta, ...] | None = None
    signals: tuple[str, ...] | None = None
    reduction: Reduction | None = None
    readings: Mapping[str, Sequence[float]] | None = None
    features: tuple[str, ...] | None = None
    signal_vector: tuple[float, ...] | None = None
    prediction: Prediction | None = None
    contributions: tuple[Contribution, ...] | None = None
    answers: tuple[ExampleAnswer, ...] | None = None
    strongest_probe: Mapping[str, Json] | None = None
    mapping: MappingSummary | None = None
    timings: Mapping[str, float] = field(default_factory=dict)
    budget_seconds: float | None = None
    date: str | None = None
    command: tuple[str, ...] | None = None
    settings: Mapping[str, Json] | None = None
    versions: Versions = field(default_factory=Versions)
