"""What answers are worth: NIST's figures with their uncertainty, beside what labels without meaning give.

Formulas of NIST's test harness and fitting script (TrojAI documentation, metrics). Figures of a repeated
cross-validation are means over its repeats; uncertainty is that of the models, which are the sample.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.learning.evaluation.evaluation import cross_entropies, half_width, mean_auc, roc_auc
from detector.mapping.parameters import Figures

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

_RESAMPLES = 2000
_INTERVAL = (2.5, 97.5)


@dataclass(frozen=True)
class Chance:
    """The same procedure under permuted labels: mean figures, and the share that do at least as well as the true ones.

    The true labels are counted in, so a p-value is at least 1 / (1 + permutations).
    """

    permutations: int
    roc_auc: float
    cross_entropy: float
    p_roc_auc: float
    p_cross_entropy: float


@dataclass(frozen=True)
class Judgement:
    """Figures of one set of answers.

    Attributes
    ----------
    half_width
        Of the 95 % interval of the cross-entropy, 1.96 standard deviations over sqrt(models).
    auc_interval
        95 %, from resampled models.
    false_positives, false_negatives
        Shares of all models, as NIST counts them: off by at least 0.5. An answer of just 0.5 is wrong either way.
    """

    num_models: int
    num_poisoned: int
    cross_entropy: float
    half_width: float
    brier: float
    roc_auc: float
    auc_interval: tuple[float, float]
    false_positives: float
    false_negatives: float
    chance: Chance | None = None

    @property
    def error_rate(self) -> float:
        """Share of models that are judged wrongly."""
        return self.false_positives + self.false_negatives

    @property
    def figures(self) -> Figures:
        """As they are kept with learned parameters."""
        return Figures(self.num_models, self.error_rate, self.cross_entropy, self.roc_auc)

    @property
    def base_rate_cross_entropy(self) -> float:
        """What the share of poisoned models would have as the answer to each, in nats."""
        share = self.num_poisoned / self.num_models
        return -share * math.log(share) - (1 - share) * math.log1p(-share)


def judge(probabilities: Array, labels: Labels, seed: int) -> Judgement:
    """Of answers (repeats, N, P) and labels (N, P), the first column being the true ones; more are permutations."""
    answers, truth = probabilities[:, :, 0], labels[:, 0]
    losses = cross_entropies(answers, truth).mean(axis=0)
    return Judgement(
        num_models=len(truth),
        num_poisoned=int(truth.sum()),
        cross_entropy=float(losses.mean()),
        half_width=half_width(losses),
        brier=float(np.mean((answers - truth) ** 2)),
        roc_auc=mean_auc(answers, truth),
        auc_interval=_interval(resampled_aucs(wins(answers, truth), np.random.default_rng(seed))),
        false_positives=float(np.mean(answers - truth >= 0.5)),
        false_negatives=float(np.mean(truth - answers >= 0.5)),
        chance=_chance(probabilities, labels) if labels.shape[1] > 1 else None,
    )


def _chance(probabilities: Array, labels: Labels) -> Chance:
    columns = range(labels.shape[1])
    aucs = np.array([mean_auc(probabilities[:, :, column], labels[:, column]) for column in columns])
    losses = cross_entropies(probabilities, labels).mean(axis=(0, 1))
    return Chance(
        permutations=len(columns) - 1,
        roc_auc=float(aucs[1:].mean()),
        cross_entropy=float(losses[1:].mean()),
        p_roc_auc=float(np.mean(aucs >= aucs[0])),
        p_cross_entropy=float(np.mean(losses <= losses[0])),
    )


def wins(answers: Array, labels: Labels) -> Array:
    """(poisoned, clean): in which share of the repeats the poisoned one scores higher, ties counted half."""
    poisoned, clean = answers[:, labels == 1, None], answers[:, None, labels == 0]
    shares: Array = np.mean((poisoned > clean) + 0.5 * (poisoned == clean), axis=0)
    return shares


def resampled_aucs(shares: Array, rng: np.random.Generator) -> Array:
    """ROC-AUCs (resamples,) of models drawn again with replacement, clean and poisoned ones each."""
    poisoned, clean = (rng.multinomial(count, np.full(count, 1 / count), _RESAMPLES) for count in shares.shape)
    drawn: Array = np.einsum("ri,ij,rj->r", poisoned, shares, clean, optimize=True) / shares.size
    return drawn


@dataclass(frozen=True)
class Difference:
    """By how much the first of two procedures has the larger ROC-AUC on the same models, with its 95 % interval."""

    value: float
    interval: tuple[float, float]


def difference(first: Array, second: Array, labels: Labels, seed: int) -> Difference:
    """Of answers (repeats, N) of both to models of the labels (N,), which are resampled in pairs."""
    shares = wins(first, labels) - wins(second, labels)
    return Difference(float(shares.mean()), _interval(resampled_aucs(shares, np.random.default_rng(seed))))


def permuted_p_value(answers: Array, labels: Labels, groups: Labels, rng: np.random.Generator) -> float:
    """For answers (N,) of a fixed mapping: how often labels shuffled within groups give as large a ROC-AUC."""
    true = roc_auc(answers, labels)
    hits = sum(roc_auc(answers, shuffled_within(labels, groups, rng)) >= true for _ in range(_RESAMPLES))
    return (1 + hits) / (1 + _RESAMPLES)


def shuffled_within(labels: Labels, groups: Labels, rng: np.random.Generator) -> Labels:
    """Labels in a random order inside each group."""
    shuffled = labels.copy()
    for group in np.unique(groups):
        shuffled[groups == group] = rng.permutation(labels[groups == group])
    return shuffled


def _interval(values: Array) -> tuple[float, float]:
    low, high = np.percentile(values, _INTERVAL)
    return float(low), float(high)
