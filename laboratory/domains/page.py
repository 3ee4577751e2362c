"""docs/domains.md: what the universal bundle is worth on domains that it was not fitted on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.learning.evaluation.metrics import bootstrap_interval, cross_entropies, half_width, roc_auc
from laboratory.domains.answers import ModelAnswers
from laboratory.domains.evaluation import (
    FEATURES,
    FEWEST,
    Judged,
    judged_domains,
    nested,
    permutation_p,
)
from laboratory.domains.families import Told, families, tell
from laboratory.domains.readings import Domains, domains_of
from laboratory.domains.restriction import FULL, LADDER, Cost, restricted
from laboratory.domains.swaps import Swaps, swapped_labels

PERMUTATIONS = 199
_BEST = 8  # readings told alone
_BINS = 5  # of the calibration


_CostRow = tuple[str, float, float, float, float]


@dataclass(frozen=True)
class Study:
    """All that the page tells."""

    domains: Domains
    probabilities: NDArray[np.float64]  # nested, of all models
    judged: Sequence[Judged]
    by_cost: Sequence[_CostRow]
    auc: float
    auc_interval: tuple[float, float]
    cross_entropy: float
    half_width: float
    permutations: int
    p_value: float
    chance: float
    swaps: Swaps
    families: Sequence[Told]


def study(answers: Sequence[ModelAnswers], permutations: int = PERMUTATIONS) -> Study:
    """Compute everything; some minutes."""
    domains = domains_of([restricted(one, FULL) for one in answers])
    probabilities = nested(domains, domains.labels)
    losses = cross_entropies(probabilities, domains.labels)
    p, values = permutation_p(domains, permutations)
    judged = judged_domains(domains)
    rng = np.random.default_rng(0)
    return Study(
        domains=domains,
        probabilities=probabilities,
        judged=judged,
        by_cost=[_row(FULL, domains, judged, probabilities), *(_cost_row(answers, cost) for cost in LADDER[1:])],
        auc=roc_auc(probabilities, domains.labels),
        auc_interval=bootstrap_interval(roc_auc, probabilities, domains.labels, rng, strata=domains.labels),
        cross_entropy=float(losses.mean()),
        half_width=half_width(losses),
        permutations=permutations,
        p_value=p,
        chance=float(np.mean(values[1:])),
        swaps=swapped_labels(answers, FULL),
        families=[told for one in families() if (told := tell(one, answers, domains))],
    )


def _cost_row(answers: Sequence[ModelAnswers], cost: Cost) -> _CostRow:
    domains = domains_of([restricted(one, cost) for one in answers])
    return _row(cost, domains, judged_domains(domains), nested(domains, domains.labels))


def _row(cost: Cost, domains: Domains, judged: Sequence[Judged], probabilities: NDArray[np.float64]) -> _CostRow:
    return (
        f"{cost.probes} probes on {cost.images} images",
        roc_auc(probabilities, domains.labels),
        float(cross_entropies(probabilities, domains.labels).mean()),
        float(np.mean([one.roc_auc for one in judged])),
        min(one.roc_auc for one in judged),
    )


def page(found: Study) -> str:
    """The page as Markdown."""
    return (
        "\n\n".join(
            (
                _head(found),
                _domains(found),
                _families(found),
                _calibration(found),
                _costs(found),
                _readings(found),
                _limits(found),
            )
        )
        + "\n"
    )


def _head(found: Study) -> str:
    labels = found.domains.labels
    aucs = [one.roc_auc for one in found.judged]
    losses = [one.cross_entropy for one in found.judged]
    worst = min(found.judged, key=lambda one: one.roc_auc)
    rounds = {name: found.domains.factors["round"].count(name) for name in sorted(set(found.domains.factors["round"]))}
    told = ", ".join(f"`{name}` {count}" for name, count in rounds.items())
    rows = (
        ("mean over domains that were left out of the fit", f"{np.mean(aucs):.2f}", f"{np.mean(losses):.2f}"),
        (f"worst of them ({worst.factor} {worst.value})", f"{worst.roc_auc:.2f}", f"{max(losses):.2f}"),
        (
            "all models, nested cross-validation",
            f"{found.auc:.2f} ({found.auc_interval[0]:.2f}-{found.auc_interval[1]:.2f})",
            f"{found.cross_entropy:.2f} +- {found.half_width:.2f}",
        ),
        (
            f"the same with labels shuffled ({found.permutations} times; p = {found.p_value:.3f})",
            f"{found.chance:.2f}",
            "",
        ),
    )
    return (
        "# What the universal bundle is worth elsewhere\n\n"
        "What counts is the answer on a domain that nothing was fitted on: another generator, architecture, family of "
        "signs, kind of trigger, image size or recipe. Every row below is held out. "
        f"{len(labels)} models, {int(labels.sum())} of them poisoned ({told}).\n\n"
        f"{_table(('', 'ROC-AUC', 'cross-entropy'), rows)}\n\n"
        "A base rate has 0.50 and 0.69. These are few models: a domain of twenty models has an interval of about 0.2 "
        "around its ROC-AUC. `make domains` rebuilds this page and the bundle from `measurements/`."
    )


def _domains(found: Study) -> str:
    rows = [
        (one.factor, one.value, str(one.clean), str(one.poisoned), f"{one.roc_auc:.2f}", f"{one.cross_entropy:.2f}",
         str(one.high_clean))
        for one in found.judged
    ]  # fmt: skip
    header = ("factor", "left out", "clean", "poisoned", "ROC-AUC", "cross-entropy", "clean above 0.9")
    return (
        f"## Domain by domain\n\nDomains with {FEWEST} or more models of each kind. Clean models have no trigger: each "
        f"kind of trigger takes its share of them along.\n\n{_table(header, rows)}"
    )


def _families(found: Study) -> str:
    rows = [
        (one.family.name, one.family.note, str(one.models), f"{one.roc_auc:.2f}", f"{one.cross_entropy:.2f}",
         f"{one.mean_domain:.2f}", f"{one.worst_domain:.2f}")
        for one in found.families
    ]  # fmt: skip
    mean, worst = np.mean([one.roc_auc for one in found.judged]), min(one.roc_auc for one in found.judged)
    count, figures = str(len(found.domains.labels)), (found.auc, found.cross_entropy, float(mean), worst)
    bundle = ("the bundle", f"{len(FEATURES)} readings of probes, any of them is enough", count,
              *(f"{value:.2f}" for value in figures))  # fmt: skip
    header = ("family", "how", "models", "ROC-AUC, nested", "cross-entropy", "mean domain", "worst domain")
    return (
        "## What each family of readings tells alone\n\nThe same networks, the same domains left out. Chance has 0.50; "
        f"the base rate has a cross-entropy of 0.69.\n\n{_table(header, [*rows, bundle])}"
    )


def _calibration(found: Study) -> str:
    edges = np.linspace(0, 1, _BINS + 1)
    places = np.digitize(found.probabilities, edges[1:-1])
    rows = [
        (f"{edges[bin_]:.1f} to {edges[bin_ + 1]:.1f}", str(int(own.sum())), f"{found.probabilities[own].mean():.2f}",
         f"{found.domains.labels[own].mean():.2f}")
        for bin_, own in ((bin_, places == bin_) for bin_ in range(_BINS))
        if own.any()
    ]  # fmt: skip
    return (
        "## Calibration\n\nNested cross-validation: of the models that are answered so, how many are poisoned.\n\n"
        + _table(("answer", "models", "mean answer", "share poisoned"), rows)
    )


def _costs(found: Study) -> str:
    rows = [(name, *(f"{value:.2f}" for value in values)) for name, *values in found.by_cost]
    header = ("configuration", "ROC-AUC, nested", "cross-entropy", "mean domain", "worst domain")
    return (
        "## Cheaper configurations\n\nThe costliest that fits the time budget is measured; large networks at 224 px "
        f"get the last ones.\n\n{_table(header, rows)}"
    )


def _readings(found: Study) -> str:
    domains = found.domains
    alone = sorted(
        ((roc_auc(domains.column(name), domains.labels), name) for name in domains.names if "probes" in name),
        reverse=True,
    )
    rows = [(name, f"{auc:.2f}", *_by_trigger(domains, name)) for auc, name in alone[:_BEST]]
    used = [
        (name, f"{roc_auc(domains.column(name), domains.labels):.2f}", *_by_trigger(domains, name)) for name in FEATURES
    ]
    header = ("reading", "all", "filters", "polygons")
    return (
        "## What single readings tell\n\nROC-AUC of one reading, nothing fitted. Used by the bundle:\n\n"
        f"{_table(header, used)}\n\nThe best alone (of {len(alone)}, so the first ones are flattered):\n\n"
        f"{_table(header, rows)}"
    )


def _by_trigger(domains: Domains, name: str) -> tuple[str, str]:
    trigger, clean = np.array(domains.factors["trigger"]), domains.labels == 0
    rows = [clean | (trigger == kind) for kind in ("filter", "polygon")]
    first, second = (f"{roc_auc(domains.column(name)[own], domains.labels[own]):.2f}" for own in rows)
    return first, second


def _limits(found: Study) -> str:
    swaps = found.swaps
    return (
        "## A wrong label, and where it stops\n\n"
        f"- One wrong label among the {FULL.images} images moved the answer by at most 0.1 in {swaps.within:.0%} of "
        f"{swaps.count} swaps (median {swaps.median:.3f}, largest {swaps.largest:.2f}). From one wrong image in ten on "
        "the answer is the base rate, with a finding.\n"
        "- Where a reading lies outside the range that was seen in training, widened by a quarter on both sides, the "
        "answer is the base rate and the report says so.\n"
        f"- Models in the fit, by architecture: {_counts(found, 'architecture')}; by pixels a side: "
        f"{_counts(found, 'size')}. All other architectures and sizes are answered with the same mapping, untested.\n"
        "- The readings were chosen by people who had seen most of these models, so the figures flatter them."
    )


def _counts(found: Study, factor: str) -> str:
    values = found.domains.factors[factor]
    return ", ".join(f"{value} {values.count(value)}" for value in sorted(set(values)))


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
