"""What `configure` has learned, as a page for people."""

from __future__ import annotations

from detector.base.errors import printable
from detector.commands.configure import Outcome
from detector.learning.adaptation import Adapted, Comparison
from detector.learning.learned import Learned
from detector.mapping.configuration import Configuration

_ROW = "{:<16}{:>7}{:>10}{:>13}{:>14}{:>16}{:>14}"
_HEADER = ("architecture", "models", "poisoned", "held-out CE", "held-out AUC", "held-out error", "in-sample CE")
_NOTHING = "NOTHING LEARNED. Nothing could be learned: whatever the model, the answer is the base rate."
_COMPARISON = "{:<24}{:>10}{:>11}{:>13}{:>14}{:>16}{:>14}   {}"
_COMPARISON_HEADER = (
    "configuration", "start CE", "start AUC", "held-out CE", "held-out AUC", "held-out error", "in-sample CE", "moved",
)  # fmt: skip


def outcome_text(outcome: Outcome) -> str:
    """A page for people: a row for each architecture, or configuration of a start, and what was left out."""
    adapted = [line for one in outcome.learned if isinstance(one, Adapted) for line in _adapted_lines(one)]
    unlearned = "Unknown architectures" if adapted else "Architectures without a regression"
    lines = adapted or _lines_by_architecture(outcome)
    lines.append(f"{unlearned} are answered with the base rate, {outcome.base_rate:.3f}.")
    if outcome.doubtful:
        failing = f"{len(outcome.doubtful)} models fail at their clean examples even before pruning"
        lines.append(f"{failing}, {outcome.doubtful[0]} is the first: is train_preprocessing right?")
    lines.append(f"Left out: {len(outcome.left_out) or 'none'}")
    lines += [f"  {one.name}: {one.reason}" for one in outcome.left_out]
    if outcome.held_out is not None:
        lines.append(f"Held-out answers to all models, for `compare`: {outcome.held_out}")
    return "\n".join(map(printable, [*lines, f"Written: {outcome.bundle}"]))


def _lines_by_architecture(outcome: Outcome) -> list[str]:
    lines = [_ROW.format(*_HEADER), *map(_row, outcome.learned)]
    lines += [_chosen(one) for one in outcome.learned if one.parameters is not None]
    return lines if any(one.parameters for one in outcome.learned) else [_NOTHING, *lines]


def _row(one: Learned) -> str:
    counts = one.architecture, one.num_models, one.num_poisoned
    if one.parameters is None:
        return f"{_ROW.format(*counts, '', '', '', '').rstrip()}   base rate only: {one.reason}"
    configuration = one.parameters.configurations[0]
    held_out, in_sample = configuration.held_out, configuration.in_sample
    assert held_out is not None and in_sample is not None  # of what was learned here
    auc, error = f"{held_out.roc_auc:.3f}", f"{held_out.error_rate:.1%}"
    return _ROW.format(*counts, f"{held_out.cross_entropy:.3f}", auc, error, f"{in_sample.cross_entropy:.3f}")


def _chosen(one: Learned) -> str:
    assert one.parameters is not None
    best, *cheaper = one.parameters.configurations
    behind = f", {len(cheaper)} cheaper behind it" if cheaper else ""
    return f"{one.architecture}: {_in_words(best)}{behind}"


def _in_words(configuration: Configuration) -> str:
    read = f"{configuration.reduction} of {', '.join(configuration.signals)}"
    theta, *others = configuration.thetas
    if others:
        sizes = f"|S|={sum(configuration.num_pruned_models)} in all, |D|={configuration.num_images}"
        return f"{len(configuration.thetas)} thetas together, {sizes}, {read}"
    selected = f"{theta.pruning_method} {theta.sampling_method} {theta.ranking_method} p={theta.p:g}"
    sizes = f"|S|={theta.num_pruned_models} |D|={theta.num_images}"
    return f"{selected} in {theta.layers} layers, {sizes}, {read}"


def _adapted_lines(adapted: Adapted) -> list[str]:
    """A line that says what came of it, then a row for each configuration."""
    models = f"{adapted.num_models} models, {adapted.num_poisoned} of them poisoned"
    if not adapted.compared:
        return [
            f"NOTHING LEARNED. Nothing could be learned from {models}: {adapted.reason}. "
            f"{adapted.start_name} is kept as it is."
        ]
    assert adapted.parameters is not None
    rows = zip(adapted.parameters.configurations, adapted.compared, strict=True)
    costliest = adapted.compared[0]
    return [
        f"Started from {adapted.start_name} and learned on from {models}, for any architecture.",
        _COMPARISON.format(*_COMPARISON_HEADER),
        *(_comparison_row(*row) for row in rows),
        f"start: {adapted.start_name} unchanged on the same models, of which nothing was fitted; "
        f"{costliest.strangers} of them lie outside its experience, where it answers the base rate.",
    ]


def _comparison_row(configuration: Configuration, one: Comparison) -> str:
    name = f"{len(configuration.probes)} probes, {configuration.num_images} images"
    start, held_out = one.start, one.held_out
    return _COMPARISON.format(
        name,
        f"{start.cross_entropy:.3f}",
        f"{start.roc_auc:.3f}",
        f"{held_out.cross_entropy:.3f}",
        f"{held_out.roc_auc:.3f}",
        f"{held_out.error_rate:.1%}",
        f"{one.in_sample.cross_entropy:.3f}",
        one.moved,
    )
