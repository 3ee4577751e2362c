"""All of a report as a page of text for people; every line is printable, whatever the model called its parts."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from statistics import fmean
from types import MappingProxyType

from detector.base.errors import printable
from detector.base.findings import Finding, Severity
from detector.mapping.configuration import Figures
from detector.mapping.port import MAPPINGS
from detector.pruning.theta import LayerRange, Theta
from detector.report.contributions import Contribution
from detector.report.explanation import among, told
from detector.report.report import Basis, ModelSummary, Report
from detector.report.summary import architecture_in_words
from detector.report.verdict import side_of
from detector.signals.features import Reduction
from detector.signals.registry import is_per_variant, model_signal

_NO_FIGURES = "the bundle's costliest configuration has figures; this one, which fits the time, has none of its own"
_WIDTH = 110  # characters, of the text beside the titles
_USED: Mapping[Reduction | None, str] = MappingProxyType(
    {Reduction.SUMMARY: "the mean, standard deviation, smallest and largest", Reduction.MEAN: "the mean"}
)


def report_text(report: Report) -> str:
    """A page for people: findings, what was measured, the answer in plain words, and what it is worth."""
    sections = {
        "Model": model_lines(report.model, report.findings),
        "Findings": finding_lines(report.findings),
        "Measured": _measured_lines(report),
        "Readings": _contribution_lines(report),
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


def model_lines(model: ModelSummary | None, findings: Iterable[Finding]) -> list[str]:
    """What the file is, in a line; of a changed network the findings say which one it was."""
    if model is None:
        return ["not read"]
    architecture = architecture_in_words(model.architecture, ((one.code, one.evidence) for one in findings))
    network = f"{architecture}, {model.num_classes or '?'} classes"
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


def _contribution_lines(report: Report) -> list[str]:
    """What decided, the weightiest first, each among the networks that the bundle knows."""
    ranked = sorted(report.contributions or (), key=lambda one: -one.weight)
    return [_contribution_line(one) for one in ranked] or ["none decided"]


def _contribution_line(one: Contribution) -> str:
    pull = "" if one.pull is None else f"; {one.pull:+.2f} against a network in the middle"
    return f"{one.name} [{one.feature}]: {told(one.value)} ({among(one)}){pull}"


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
            return "undecided, see the findings; this is the bundle's base rate"
        case Basis.BASE_RATE:
            return "no pruned model was measured, this is the bundle's base rate"
        case Basis.TAMPERED:
            return "it is not what it should be, see the findings; it was not measured"
        case Basis.UNKNOWN_ARCHITECTURE:
            return "its architecture is not known and was not measured, this is the bundle's base rate"
    if any(finding.severity is Severity.ERROR for finding in report.findings):
        return "worth nothing, see the findings"
    side = side_of(report.probability)
    if side is None:
        return "undecided"
    verdict = f"likely {side}" if abs(report.probability - 0.5) >= 0.4 else f"rather {side}"
    untested = report.mapping is None or report.mapping.held_out is None
    return f"{verdict}, by a regression that was never tested on models it had not seen" if untested else verdict


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
