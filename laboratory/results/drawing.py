"""The figures of the page, as in the paper, in SVG that is the same byte for byte whenever the numbers are.

matplotlib (the extra `results`) is needed here alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from detector.learning.search.procedures import PAPER, PUBLISHED
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.sweep.readings import ArchitectureReadings
from laboratory.results.analysis import Results
from laboratory.results.timing import Line

_CLEAN, _POISONED, _THIRD = "#4477aa", "#cc3311", "#999999"
_DECIMALS = 4  # of what is drawn: the last bits differ between machines


def draw_all(results: Results, folder: Path) -> None:
    """Write every figure into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": "results", "svg.fonttype": "none", "font.size": 9, "axes.grid": True}):
        for name, draw in _FIGURES.items():
            draw(results).savefig(folder / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")


def _architectures(results: Results) -> Figure:
    """Error and cross-entropy of each architecture: in-sample as in the paper, and held out."""
    figure, (left, right) = _axes(2)
    errors, losses = _held_out(results, "error_rate"), _held_out(results, "cross_entropy")
    errors = {"the paper's, in-sample": [one.best.error_rate for one in results.in_sample]} | errors
    losses = {"the paper's, in-sample": [one.cross_entropy for one in results.in_sample]} | losses
    _bars(left, results, errors, "error rate")
    _bars(right, results, losses, "cross-entropy")
    right.axhline(np.log(2) / 2, color="black", linewidth=0.8, linestyle=":")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=7)
    return figure


def _held_out(results: Results, name: str) -> dict[str, list[float]]:
    return {
        label: [getattr(results.judgement(procedure, one.architecture), name) for one in results.readings]
        for label, procedure in (("the paper's, held out", PAPER), ("default bundle's, held out", PUBLISHED))
    }


def _false_answers(results: Results) -> Figure:
    """False positives and negatives, shares of all models: the paper's best in-sample, and the bundle's held out."""
    figure, axes = _axes(2)
    parts = {
        "the paper's best, in-sample": [one.best for one in results.in_sample],
        "default bundle's, held out": [results.judgement(PUBLISHED, one.architecture) for one in results.readings],
    }
    for axis, (title, judgements) in zip(axes, parts.items(), strict=True):
        shares = {
            "FP": [one.false_positives for one in judgements],
            "FN": [one.false_negatives for one in judgements],
        }
        _bars(axis, results, shares, "share of all models")
        axis.set_title(title)
        axis.set_ylim(0, 1)
    axes[0].legend(fontsize=7)
    return figure


def _bars(axis: Any, results: Results, values: Mapping[str, Sequence[float]], label: str) -> None:
    places = np.arange(len(results.readings))
    width = 0.8 / len(values)
    for number, (name, heights) in enumerate(values.items()):
        offset = (number - (len(values) - 1) / 2) * width
        colour = (_THIRD, _CLEAN, _POISONED)[number - len(values)]
        axis.bar(places + offset, np.round(heights, _DECIMALS), width, label=name, color=colour)
    axis.set_xticks(places, [one.architecture for one in results.readings], rotation=20, ha="right")
    axis.set_ylabel(label)


def _time(results: Results) -> Figure:
    """Seconds against |S| and |D| with the straight lines."""
    figure, (left, right) = _axes(2)
    for one in results.timings:
        _line(left, one.against_models, one.architecture)
        _line(right, one.against_images, one.architecture)
    left.set_xlabel(f"|S|, at |D| = {results.timings[0].against_models.fixed}")
    right.set_xlabel(f"|D|, at |S| = {results.timings[0].against_images.fixed}")
    left.set_ylabel("median seconds")
    left.legend(fontsize=7)
    return figure


def _line(axis: Any, line: Line, name: str) -> None:
    (points,) = axis.plot(line.sizes, np.round(line.seconds, _DECIMALS), "o", markersize=4, label=name)
    if line.slope is not None and line.intercept is not None:
        ends = np.array([line.sizes[0], line.sizes[-1]])
        fitted = np.round(line.intercept + line.slope * ends, _DECIMALS)
        axis.plot(ends, fitted, color=points.get_color(), linewidth=1)


def _accuracies(results: Results) -> Figure:
    """Mean accuracy of each pruned model, and the standard deviation over the models, clean and poisoned ones."""
    figure, axes = _axes(len(results.readings))
    for axis, one in zip(axes, results.readings, strict=True):
        theta = _typical(one)
        readings = one.variant_readings("accuracy", theta)
        for label, name, colour in ((0, "clean", _CLEAN), (1, "poisoned", _POISONED)):
            chosen = readings[one.poisoned == label]
            means, deviations = chosen.mean(axis=0).round(_DECIMALS), chosen.std(axis=0).round(_DECIMALS)
            axis.errorbar(range(len(means)), means, deviations, color=colour, capsize=2, linewidth=1, label=name)
        axis.set_title(f"{one.architecture}\n{theta.pruning_method}, p = {theta.p:g}")
        axis.set_xlabel("pruned model")
    axes[0].set_ylabel("accuracy")
    axes[0].legend(fontsize=7)
    return figure


def _typical(readings: ArchitectureReadings) -> Theta:
    """Targeted Reset by L1 with the p nearest to .067, NIST's; whatever comes first if there is none."""
    key = (PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1)
    alike = [one for one in readings.thetas if (one.pruning_method, one.sampling_method, one.ranking_method) == key]
    return min(alike or readings.thetas[:1], key=lambda one: (one.layers != "all", abs(one.p - 0.067)))


def _learning_curve(results: Results) -> Figure:
    """ROC-AUC of models not drawn against the number of models of each architecture; bars from worst to best draw."""
    figure, (axis,) = _axes(1)
    means = np.array([point.aucs.mean() for point in results.curve])
    lows, highs = ([reach(point.aucs) for point in results.curve] for reach in (np.min, np.max))
    sizes = [point.models for point in results.curve]
    reach = np.round([means - lows, highs - means], _DECIMALS)
    axis.errorbar(sizes, means.round(_DECIMALS), reach, marker="o", color=_CLEAN, capsize=3)
    axis.axhline(0.5, color="black", linewidth=0.8, linestyle=":")
    axis.set_xticks(sizes)
    axis.set_xlabel("models of each architecture")
    axis.set_ylabel("held-out ROC-AUC")
    return figure


def _axes(count: int) -> tuple[Figure, Any]:
    figure = Figure(figsize=(3.4 * max(count, 1.5), 2.8), layout="constrained")
    return figure, figure.subplots(1, count, squeeze=False)[0]


_FIGURES: Mapping[str, Callable[[Results], Figure]] = MappingProxyType(
    {
        "architectures": _architectures,
        "false_answers": _false_answers,
        "time": _time,
        "accuracies": _accuracies,
        "learning_curve": _learning_curve,
    }
)
