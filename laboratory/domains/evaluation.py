"""What the mapping is worth on domains that it was not fitted on: leave one domain out, nested choices, permutations.

A domain is one value of a factor. Models with that value, clean and poisoned, are left out of the fit and judged. Where
the factor tells of triggers, which clean models have none of, each value takes a share of the clean models with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.learning.evaluation.folds import Folds, stratified_folds
from detector.learning.evaluation.metrics import cross_entropies, roc_auc
from detector.learning.evaluation.permutation import p_value, shuffled_labels
from detector.learning.evaluation.rounding import rounded
from detector.learning.regression.any_of import fit_any_of
from detector.mapping.any_of import AnyOf
from laboratory.domains.readings import Domains

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]

FEATURES = ("polygon_probes.soft_steady_gap", "filter_probes.soft_mean_pair", "filter_probes.soft_usual_gap")
"""The readings that are causes, chosen with 104 models. To choose among sets of them inside of every fit cost more than
it gave with 90 models (nested ROC-AUC 0.83 instead of 0.85)."""

FACTORS = (
    "round", "architecture", "trigger", "sources", "signs", "backgrounds", "size", "classes", "optimiser", "start",
    "smoothing", "adversarial",
)  # fmt: skip
PENALTIES = (0.1, 0.03, 0.01, 0.003)
CLIP = (0.02, 0.98)
FEWEST = 5  # models of each kind that a domain is judged by
_FOLDS = 5


@dataclass(frozen=True)
class Judged:
    """Held-out figures of one domain."""

    factor: str
    value: str
    clean: int
    poisoned: int
    roc_auc: float
    cross_entropy: float
    high_clean: int  # clean models that are answered with more than 0.9


def held_out(domains: Domains, factor: str, value: str, seed: int = 0) -> Mask:
    """Which models are left out with a domain."""
    values = np.array(domains.factors[factor])
    chosen: Mask = values == value
    blank = np.flatnonzero((values == "") & (domains.labels == 0))
    if len(blank):
        others = sorted(set(values.tolist()) - {""})
        turns = np.random.default_rng(seed).permutation(len(blank)) % len(others)
        chosen[blank[turns == others.index(value)]] = True
    return chosen


def fitted(domains: Domains) -> AnyOf:
    """The mapping of all these models, its penalty chosen by cross-validation among them."""
    inputs = domains.columns(FEATURES)
    losses = [_loss(inputs, domains.labels, penalty) for penalty in PENALTIES]
    return fit_any_of(FEATURES, inputs, domains.labels, PENALTIES[int(np.argmin(rounded(losses)))])


def applied(mapping: AnyOf, inputs: Array) -> Array:
    """Probabilities (M,) for the readings (M, F) of models, clipped."""
    rows = (dict(zip(FEATURES, row, strict=True)) for row in inputs.tolist())
    clipped: Array = np.clip(np.array([mapping.apply(row).probability for row in rows]), *CLIP)
    return clipped


def answers(fitted_on: Domains, others: Domains) -> Array:
    """What the mapping of some models says of others, (M,)."""
    return applied(fitted(fitted_on), others.columns(FEATURES))


def judged_domains(domains: Domains) -> list[Judged]:
    """Every domain that has enough models of both kinds, each by a fit without it."""
    return [_judged(domains, rows, factor, value) for factor, value, rows in left_out(domains)]


def left_out(domains: Domains) -> Iterator[tuple[str, str, Mask]]:
    """Factor, value and models (M,) of every domain that has, and leaves, enough models of both kinds."""
    for factor in FACTORS:
        for value in sorted(set(domains.factors[factor]) - {""}):
            rows = held_out(domains, factor, value)
            if min(np.bincount(domains.labels[own], minlength=2).min() for own in (rows, ~rows)) >= FEWEST:
                yield factor, value, rows


def _judged(domains: Domains, rows: Mask, factor: str, value: str) -> Judged:
    probabilities = answers(domains.part(~rows), domains.part(rows))
    labels = domains.labels[rows]
    return Judged(
        factor=factor,
        value=value,
        clean=int((labels == 0).sum()),
        poisoned=int(labels.sum()),
        roc_auc=roc_auc(probabilities, labels),
        cross_entropy=float(cross_entropies(probabilities, labels).mean()),
        high_clean=int(((labels == 0) & (probabilities > 0.9)).sum()),
    )


def nested(domains: Domains, labels: Labels, seed: int = 0) -> Array:
    """What is said of every model by a fit, its choices and all, on the folds that it is not in."""
    probabilities = np.empty(len(labels))
    for inside, outside in folds_of(labels, seed).splits():
        probabilities[outside] = answers(domains.relabelled(labels).part(inside), domains.part(outside))
    return probabilities


def permutation_p(domains: Domains, permutations: int, seed: int = 0) -> tuple[float, Array]:
    """Of the nested ROC-AUC: its p-value, and the AUCs of labels shuffled within rounds, the true one first."""
    rng = np.random.default_rng(seed)
    shuffles = [shuffled_labels(domains.labels, rng, domains.factors["round"]) for _ in range(permutations)]
    values = np.array([roc_auc(nested(domains, one), one) for one in (domains.labels, *shuffles)])
    return p_value(values), values


def folds_of(labels: Labels, seed: int = 0) -> Folds:
    """Stratified folds of models (M,), fewer where one class has fewer models."""
    return stratified_folds(labels, seed, folds=min(_FOLDS, int(np.bincount(labels).min())), repeats=1)


def _loss(inputs: Array, labels: Labels, penalty: float) -> float:
    losses = []
    for inside, outside in folds_of(labels).splits():
        mapping = fit_any_of(FEATURES, inputs[inside], labels[inside], penalty)
        losses.append(cross_entropies(applied(mapping, inputs[outside]), labels[outside]))
    return float(np.concatenate(losses).mean())
