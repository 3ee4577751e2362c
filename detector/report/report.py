"""The report of one run: everything behind the probability, as JSON for machines and as a page of text for people.

A report is written for failures too, with what was known by then; what is unknown is None. Text that came from the
model or its examples is shown only in printable form.
"""

from __future__ import annotations

import json
import math
import platform
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum, StrEnum
from importlib import metadata
from itertools import accumulate, pairwise
from pathlib import Path
from statistics import fmean
from types import MappingProxyType
from typing import Any, Literal

from jsonschema import Draft202012Validator

import detector
from detector.base.errors import ExitCode, printable
from detector.base.files import write_file
from detector.base.findings import Finding, Json, Severity
from detector.mapping.bundles import Bundle
from detector.mapping.configuration import Clip, Configuration, Figures
from detector.mapping.parameters import LearnedParameters, Provenance
from detector.mapping.port import MAPPINGS
from detector.mapping.predict import Prediction
from detector.model_file.records import ModelRecord
from detector.model_file.source import SavedModel
from detector.pruning.theta import LayerRange, Theta, theta_schema, theta_to_document
from detector.rounds.preprocessing import Preprocessing
from detector.signals.features import Reduction
from detector.signals.registry import SIGNALS, is_per_variant, model_signal

FORMAT_VERSION = 3
_NO_FIGURES = "the bundle's costliest configuration has figures; this one, which fits the time, has none of its own"
_WIDTH = 110  # characters, of the text beside the titles
_USED: Mapping[Reduction | None, str] = MappingProxyType(
    {Reduction.SUMMARY: "the mean, standard deviation, smallest and largest", Reduction.MEAN: "the mean"}
)


class Basis(StrEnum):
    """What the probability rests on."""

    MEASURED = "measured"  # the regression, on what the pruned variants answered
    TAMPERED = "tampered"  # quality assurance: a known architecture, but changed
    UNKNOWN_ARCHITECTURE = "unknown_architecture"  # it cannot be measured: the share of poisoned models at large
    BASE_RATE = "base_rate"  # no pruned model was measured: the share of poisoned models at large
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
    timings
        Seconds by stage, in order.
    budget_seconds
        The whole budget, from the start of the process.
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
    mapping: MappingSummary | None = None
    timings: Mapping[str, float] = field(default_factory=dict)
    budget_seconds: float | None = None
    versions: Versions = field(default_factory=Versions)


def write_report(path: Path, report: Report) -> None:
    """Write the report as JSON, atomically, after checking it against `report.schema.json`.

    Raises
    ------
    UsageError
        The file cannot be written there.
    jsonschema.ValidationError
        The report breaks its schema: a fault of the program.
    """
    document = to_document(report)
    _validator().validate(document)
    write_file(path, (json.dumps(document, indent=2, allow_nan=False) + "\n").encode())


def to_document(report: Report) -> dict[str, Json]:
    """The JSON form; numbers that JSON does not know become text."""
    return {"format_version": FORMAT_VERSION} | {f.name: to_plain(getattr(report, f.name)) for f in fields(report)}


def to_plain(value: Any) -> Json:
    """Dataclasses, enums, mappings and tuples as plain JSON values."""
    if isinstance(value, Theta):
        return to_plain(theta_to_document(value))
    if is_dataclass(value):
        return {f.name: to_plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, Enum):
        return to_plain(value.value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    plain: Json = value
    return plain


def _validator() -> Draft202012Validator:
    schema = json.loads(Path(__file__).with_name("report.schema.json").read_text(encoding="utf-8"))
    schema["$defs"]["theta"] = theta_schema()  # of the methods that are registered now, as the signals and mappings
    schema["$defs"]["signal"] = {"enum": list(SIGNALS.names())}
    schema["$defs"]["mapping"]["properties"]["kind"] = {"enum": list(MAPPINGS.names())}
    return Draft202012Validator(schema)


def report_text(report: Report) -> str:
    """A page for people: findings, what was measured, the answer in plain words, and what it is worth."""
    sections = {
        "Model": model_lines(report.model),
        "Findings": finding_lines(report.findings),
        "Measured": _measured_lines(report),
        "Answer": _answer_lines(report),
        "Worth": _worth_lines(report),
        "Time": _time_lines(report),
    }
    return "\n".join(section(title, lines) for title, lines in sections.items())


def section(title: str, lines: list[str]) -> str:
    """The lines, wrapped and never endless, in a column beside the title."""
    wrapper = textwrap.TextWrapper(_WIDTH, subsequent_indent="  ", max_lines=20)
    wrapped = [printable(part) for line in lines for part in wrapper.wrap(line)]
    return "\n".join(f"{title if number == 0 else '':<10}{line}" for number, line in enumerate(wrapped))


def model_lines(model: ModelSummary | None) -> list[str]:
    """What the file is, in a line."""
    if model is None:
        return ["not read"]
    network = f"{model.architecture or 'unknown architecture'}, {model.num_classes or '?'} classes"
    return [f"{model.file}: {network}; {model.kind} in {model.format} format, {model.bytes / 1e6:.1f} MB"]


def finding_lines(findings: tuple[Finding, ...]) -> list[str]:
    """The findings, the gravest first."""
    gravest_first = sorted(findings, key=lambda finding: -list(Severity).index(finding.severity))
    return [f"{finding.severity}: {finding.message}" for finding in gravest_first] or ["none"]


def _measured_lines(report: Report) -> list[str]:
    lines = []
    if report.examples is not None and report.preprocessing is not None:
        lines.append(f"{len(report.examples)} images, preprocessed as {report.preprocessing.name}")
    if report.unpruned_accuracy is not None:
        lines.append(f"before pruning {report.unpruned_accuracy:.1%} of them are classified correctly")
    if report.thetas is not None:
        lines.append(_theta_line(*report.thetas) if len(report.thetas) == 1 else _thetas_line(report.thetas))
    return [*lines, *_reading_lines(report)] or ["nothing"]


def _reading_lines(report: Report) -> list[str]:
    """What the mapping was applied to: the readings that it uses, and how they were reduced."""
    if report.signals is None or report.readings is None:
        return []
    measured = [signal for signal in report.signals if is_per_variant(signal)]
    lines = [f"{signal}: {' '.join(f'{value:.2f}' for value in _by_theta(report, signal))}" for signal in measured]
    if report.reduction in _USED and measured:
        lines.append(f"of each {_USED[report.reduction]} over the variants of a theta is used")
    for signal in report.signals:
        if not is_per_variant(signal):
            numbers = zip(model_signal(signal).numbers, report.readings[signal], strict=True)
            lines.append(f"{signal}: {', '.join(f'{name} {value:.2f}' for name, value in numbers)}")
    return lines


def _by_theta(report: Report, signal: str) -> Sequence[float]:
    """The readings of a signal of the variants; of several thetas only the mean of each."""
    assert report.readings is not None
    values, thetas = report.readings[signal], report.thetas or ()
    if len(thetas) < 2:
        return values
    ends = [0, *accumulate(theta.num_pruned_models for theta in thetas)]
    return [fmean(values[start:end]) for start, end in pairwise(ends)]


def _thetas_line(thetas: Sequence[Theta]) -> str:
    if not thetas:
        return "nothing was pruned; below what the network answers to the images, as they are and probed"
    counts = Counter(theta.pruning_method for theta in thetas)
    methods = ", ".join(f"{count} {method}" for method, count in counts.items())
    total = sum(theta.num_pruned_models for theta in thetas)
    return f"{total} pruned variants of {len(thetas)} thetas ({methods}); below the mean of each theta"


def _theta_line(theta: Theta) -> str:
    filters = f"{theta.pruning_method} of {theta.p:.1%} of each layer's filters"
    filters += f" in the {theta.layers} layers" if theta.layers is not LayerRange.ALL else ""
    filters += "".join(f" with {name} {value:g}" for name, value in theta.numbers().items())
    choice = f"{theta.sampling_method}, ranked by {theta.ranking_method}, {theta.rule} rule"
    return f"{theta.num_pruned_models} pruned variants: {filters} ({choice})"


def _answer_lines(report: Report) -> list[str]:
    lines = [f"{report.probability:.3f} is the probability that this model is poisoned: {_in_words(report)}"]
    if report.prediction is not None and report.mapping is not None:
        bounds, raw = report.mapping.clip, report.prediction.raw
        if MAPPINGS[report.mapping.kind].fitted.raw_is_probability and not bounds.low <= raw <= bounds.high:
            lines.append(f"the regression itself says {raw:.3f}; answers are clipped to [{bounds.low}, {bounds.high}]")
    if report.error is not None:
        lines.append(f"exit code {report.exit_code.value}: {report.error}")
    return lines


def _in_words(report: Report) -> str:
    match report.basis:
        case Basis.NEUTRAL:
            return "no answer, only what stands for one"
        case Basis.BASE_RATE if report.prediction is not None:
            return "undecided, see the findings; this is the share of poisoned models at large"
        case Basis.BASE_RATE:
            return "no pruned model was measured, this is the share of poisoned models at large"
        case Basis.TAMPERED:
            return "it is not what it should be, see the findings; it was not measured"
        case Basis.UNKNOWN_ARCHITECTURE:
            return "its architecture is not known and was not measured, this is the share of poisoned models at large"
    if any(finding.severity is Severity.ERROR for finding in report.findings):
        return "worth nothing, see the findings"
    side = side_of(report.probability)
    if side is None:
        return "undecided"
    verdict = f"clearly taken for {side}" if abs(report.probability - 0.5) >= 0.4 else f"rather {side}"
    untested = report.mapping is None or report.mapping.held_out is None
    return f"{verdict}, by a regression that was never tested on models it had not seen" if untested else verdict


def side_of(probability: float) -> Literal["poisoned", "clean"] | None:
    """Which side a probability is on, or None where it is too near 0.5 to tell."""
    if 0.4 < probability < 0.6:
        return None
    return "poisoned" if probability > 0.5 else "clean"


def _worth_lines(report: Report) -> list[str]:
    mapping = report.mapping
    if mapping is None:
        return ["no learned parameters were applied"]
    origin = mapping.provenance
    lines = [
        f"bundle {mapping.bundle} {mapping.version}, fitted on {origin.num_models} models of {origin.round}, "
        f"{origin.num_poisoned} of them poisoned",
        _figures_line("held out", mapping.held_out),
        _figures_line("in-sample (the models of the fit itself)", mapping.in_sample),
        origin.evaluation if mapping.held_out or mapping.in_sample else _NO_FIGURES,
    ]
    return lines + [f"note: {note}" for note in origin.notes]


def _figures_line(title: str, figures: Figures | None) -> str:
    if figures is None:
        return f"{title}: no figures"
    auc = "" if figures.roc_auc is None else f", ROC-AUC {figures.roc_auc:.3f}"
    worth = f"{figures.error_rate:.1%} wrong, cross-entropy {figures.cross_entropy:.3f}{auc}"
    return f"{title}: {worth}, on {figures.num_models} models"


def _time_lines(report: Report) -> list[str]:
    stages = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in report.timings.items())
    budget = "" if report.budget_seconds is None else f" (budget {report.budget_seconds:g} s)"
    return [f"{stages or 'not taken'}{budget}"]
