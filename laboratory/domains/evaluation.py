"""What a mapping is worth on domains that it was not fitted on: leave one domain out, nested choices, permutations.

A domain is one value of a factor. Poisoned models with that value are left out of the fit, and clean ones with it too;
where the factor tells of triggers, which clean models have none of, a share of the clean models, different for each
value, is left out beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.learning.evaluation.metrics import cross_entropies, roc_auc
from detector.learning.evaluation.rounding import rounded
from detector.learning.regression.any_of import fit_any_of
from laboratory.domains.readings import Domains

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

PENALTIES = (0.3, 0.1, 0.03, 0.01, 0.003)
CLIP = (0.01, 0.99)
_FEWEST = 3  # models of each kind that a domain is judged by


@dataclass(frozen=True)
class Judged:
    """Held-out figures of one domain, or of all models."""

    factor: str
    value: str
    clean: int
    poisoned: int
    roc_auc: float
    cross_entropy: float
    probabilities: Array
    rows: Labels


def held_out_domain(domains: Domains, factor: str, value: str, seed: int = 0) -> NDArray[np.bool_]:
    """Which models are left out with a domain: those of the value, and a fair share of the clean ones without one."""
    values = np.array(domains.factors[factor])
    left_out: NDArray[np.bool_] = values == value
    blank = (values == "") & (domains.labels == 0)
    if blank.any():
        others = sorted(set(values.tolist()) - {""})
        turns = np.random.default_rng(seed).permutation(int(blank.sum())) % len(others)
        left_out[np.flatnonzero(blank)[turns == others.index(value)]] = True
    return left_out


def leave_one_domain_out(domains: Domains, features: Sequence[str], factors: Sequence[str]) -> list[Judged]:
    """Every domain of the factors that has enough models of both kinds, each judged by a fit without it."""
    found = []
    for factor in factors:
        for value in sorted(set(domains.factors[factor]) - {""}):
            rows = held_out_domain(domains, factor, value)
            counts = np.bincount(domains.labels[rows], minlength=2)
            if min(counts) >= _FEWEST and len(set(domains.labels[~rows].tolist())) == 2:
                found.append(judge_rows(domains, features, rows, factor, value))
    return found


def judge_rows(domains: Domains, features: Sequence[str], rows: NDArray[np.bool_], factor: str, value: str) -> Judged:
    """The models of `rows` by a mapping fitted on all others, its penalty chosen among these."""
    probabilities = fitted(domains.part(~rows), features)(domains.part(rows))
    labels = domains.labels[rows]
    return Judged(
        factor=factor,
        value=value,
        clean=int((labels == 0).sum()),
        poisoned=int(labels.sum()),
        roc_auc=roc_auc(rounded(probabilities), labels),
        cross_entropy=float(cross_entropies(probabilities, labels).mean()),
        probabilities=probabilities,
        rows=np.flatnonzero(rows),
    )


def fitted(domains: Domains, features: Sequence[str], seed: int = 0) -> Callable[[Domains], Array]:
    """The mapping of these models, its penalty chosen by five-fold cross-validation among them."""
    columns = [domains.names.index(name) for name in features]
    inputs = domains.readings[:, columns]
    penalty = chosen_penalty(inputs, domains.labels, features, seed)
    mapping = fit_any_of(features, inputs, domains.labels, penalty)

    def answer(others: Domains) -> Array:
        rows = others.readings[:, columns]
        raw = [mapping.apply(dict(zip(features, row.tolist(), strict=True))).probability for row in rows]
        clipped: Array = np.clip(np.array(raw), *CLIP)
        return clipped

    return answer


def chosen_penalty(inputs: Array, labels: Labels, features: Sequence[str], seed: int) -> float:
    """The one with the least held-out cross-entropy; the larger of equals."""
    losses = [cross_validated_loss(inputs, labels, features, penalty, seed) for penalty in PENALTIES]
    return PENALTIES[int(np.argmin(rounded(np.array(losses))))]


def cross_validated_loss(inputs: Array, labels: Labels, features: Sequence[str], penalty: float, seed: int) -> float:
    """Mean cross-entropy of five stratified folds."""
    rng, folds = np.random.default_rng(seed), np.empty(len(labels), dtype=np.int64)
    for label in (0, 1):
        own = rng.permutation(np.flatnonzero(labels == label))
        folds[own] = np.arange(len(own)) % 5
    losses = []
    for fold in range(5):
        inside = folds != fold
        if len(set(labels[inside].tolist())) < 2 or inside.all():
            continue
        mapping = fit_any_of(features, inputs[inside], labels[inside], penalty)
        raw = [mapping.apply(dict(zip(features, row.tolist(), strict=True))).probability for row in inputs[~inside]]
        losses.append(cross_entropies(np.clip(np.array(raw), *CLIP), labels[~inside]))
    return float(np.concatenate(losses).mean())
