"""Metrics and comparisons as text for people: what the answers are worth first, then by what tells models apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from detector.base.text import printable
from detector.rounds.reading import LeftOut
from detector.scoring.answers import Answer
from detector.scoring.comparison import Comparison, Difference
from detector.scoring.few import few_models
from detector.scoring.metrics import RoundMetrics, Scores

_ROW = "{:<22}{:>7}{:>9}{:>22}{:>24}{:>10}"
_HEADER = ("", "models", "poisoned", "cross-entropy", "ROC-AUC", "accuracy")
_DIFFERENCE = "{:<16}{:>9}{:>9}{:>9}{:>22}"
_MOST = 10  # lines of what is listed; the files hold all of it


def metrics_text(answers: Sequence[Answer], metrics: RoundMetrics, remarks: Sequence[LeftOut]) -> str:
    """A page of text."""
    lines = [f"{metrics.num_models} models, {metrics.num_labelled} with a known label"]
    lines += _cheaper(metrics)
    if metrics.scores is not None:
        lines += [_ROW.format(*_HEADER).rstrip(), _row("all", metrics.scores)]
        lines += _few(metrics.scores)
        lines += _rows("by architecture", metrics.by_architecture)
        lines += _rows("by trigger type, with all clean models", metrics.by_trigger_type)
        lines += _rows("by source classes, with all clean models", metrics.by_source_classes)
    else:
        lines.append("No label is known, so nothing can be scored: the answers are in results.csv.")
    if metrics.runtime is not None:
        time = metrics.runtime
        lines.append(f"seconds a model: mean {time.mean:.1f}, median {time.median:.1f}, longest {time.longest:.1f}")
    failed = [f"  {answer.model}: {answer.error or answer.verdict}" for answer in answers if answer.is_missing]
    lines += _listed("Without an answer, counted as 0.5", failed)
    lines += _listed("Not scored", [f"  {one.name}: {one.reason}" for one in remarks])
    return "\n".join(map(printable, lines))


def cheaper_text(metrics: RoundMetrics) -> str | None:
    """A sentence where models were judged by less than the bundle has; None where there are none."""
    if not metrics.num_cheaper:
        return None
    models = f"{metrics.num_models} models {'was' if metrics.num_cheaper == 1 else 'were'}"
    return f"{metrics.num_cheaper} of {models} judged by a cheaper configuration for lack of time."


def _cheaper(metrics: RoundMetrics) -> list[str]:
    told = cheaper_text(metrics)
    return [] if told is None else [told]


def _few(scores: Scores) -> list[str]:
    told = few_models(scores.num_poisoned, scores.num_models - scores.num_poisoned, scores.accuracy)
    return [] if told is None else [told]


def _rows(title: str, groups: Mapping[str, Scores]) -> Iterable[str]:
    return [f"{title}:", *(_row(f"  {name}", scores) for name, scores in groups.items())] if groups else []


def _row(title: str, scores: Scores) -> str:
    loss = f"{scores.cross_entropy:.3f} +- {scores.cross_entropy_half_width:.3f}"
    auc = "one class alone"
    if scores.roc_auc is not None and scores.roc_auc_interval is not None:
        auc = "{:.3f} ({:.3f} to {:.3f})".format(scores.roc_auc, *scores.roc_auc_interval)
    return _ROW.format(title, scores.num_models, scores.num_poisoned, loss, auc, f"{scores.accuracy:.1%}")


def _listed(title: str, lines: Sequence[str]) -> list[str]:
    rest = [f"  and {len(lines) - _MOST} more"] if len(lines) > _MOST else []
    return [f"{title}: {len(lines)}", *lines[:_MOST], *rest] if lines else []


def comparison_text(names: tuple[str, str], comparison: Comparison) -> str:
    """Two evaluations in a few lines: what differs, with its interval, and where the most."""
    a, b = names
    lines = [f"A: {a}", f"B: {b}"]
    lines.append(f"{comparison.num_models} models of known truth in both, {comparison.num_poisoned} of them poisoned")
    lines.append(_DIFFERENCE.format("", "A", "B", "B - A", "95 % interval"))
    lines += [_difference(name, one) for name, one in comparison.differences.items()]
    few = few_models(comparison.num_poisoned, comparison.num_models - comparison.num_poisoned)
    if few is not None and comparison.num_models:
        lines.append(few + _hidden(comparison))
    changes = [f"  {one.model}: {one.first:.3f} -> {one.second:.3f}{_truth(one.truth)}" for one in comparison.changes]
    lines += _listed("Answered differently", changes) or ["All are answered alike."]
    lines += _listed("Only in A, not compared", [f"  {name}" for name in comparison.only_first])
    lines += _listed("Only in B, not compared", [f"  {name}" for name in comparison.only_second])
    return "\n".join(map(printable, lines))


def _hidden(comparison: Comparison) -> str:
    """How large a difference must be to be seen, by the width of its interval; a bootstrap may not know one."""
    one = comparison.differences.get("roc_auc") or comparison.differences.get("accuracy")
    if one is None or one.interval[0] == one.interval[1]:
        return ""
    metric = "ROC-AUC" if "roc_auc" in comparison.differences else "accuracy"
    half_width = (one.interval[1] - one.interval[0]) / 2
    return f" It takes a difference in {metric} of about {half_width:.2f} to be seen among them."


def _difference(name: str, one: Difference) -> str:
    low, high = one.interval
    numbers = f"{one.first:.3f}", f"{one.second:.3f}", f"{one.value:+.3f}", f"{low:+.3f} to {high:+.3f}"
    sure = "" if low <= 0 <= high else "  B is higher" if one.value > 0 else "  B is lower"
    return _DIFFERENCE.format(name.replace("_", " "), *numbers) + sure


def _truth(truth: bool | None) -> str:
    return {True: " (poisoned)", False: " (clean)", None: ""}[truth]
