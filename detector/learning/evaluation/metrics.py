"""What answers are worth: NIST's metrics with their uncertainty, as plain functions of probabilities and labels.

Formulas of NIST's test harness and fitting script (TrojAI documentation, metrics). Metrics of a repeated
cross-validation are means over its repeats; uncertainty is that of the models, which are the sample.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detector.learning.evaluation.permutation import p_value
from detector.learning.evaluation.rounding import rounded
from detector.mapping.configuration import Figures
from detector.mapping.known import MOST_ANSWERS, Known

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

RESAMPLES = 2000
_INTERVAL = (2.5, 97.5)
_CERTAIN = 1e-12
_THRESHOLDS = np.arange(101) / 100  # of Rounds 1 to 4


def cross_entropies(probabilities: Array, labels: Labels) -> Array:
    """-(t ln p + (1 - t) ln(1 - p)) of each model, p clipped to [1e-12, 1 - 1e-12]; of arrays of one shape."""
    p = np.clip(probabilities, _CERTAIN, 1 - _CERTAIN)
    losses: Array = -np.where(labels == 1, np.log(p), np.log1p(-p))
    return losses


def cross_entropy(probabilities: Array, labels: Labels) -> float:
    """Mean of the cross-entropies of models, in nats."""
    return float(cross_entropies(probabilities, labels).mean())


def half_width(losses: Array) -> float:
    """Of the 95 % interval of the mean of losses (N,): 1.96 standard deviations over sqrt(N)."""
    return float(1.96 * losses.std() / np.sqrt(len(losses)))


def brier(probabilities: Array, labels: Labels) -> float:
    """Mean squared difference, of probabilities as they are."""
    return float(np.mean((probabilities - labels) ** 2))


def misses(probabilities: Array, labels: Labels) -> tuple[float, float]:
    """False positives and false negatives, shares of all models: off by 0.5 or more, an answer of just 0.5 too."""
    off = rounded(probabilities - labels)
    return float(np.mean(off >= 0.5)), float(np.mean(off <= -0.5))


def error_rate(probabilities: Array, labels: Labels) -> float:
    """Share of the models whose probability is off by 0.5 or more."""
    return sum(misses(probabilities, labels))


def roc_auc(probabilities: Array, labels: Labels) -> float:
    """The probability that a poisoned model scores higher than a clean one, ties counted half.

    scikit-learn's, and NIST's today. The scores (N,) may be any numbers; both classes must be there.
    """
    return float(wins(probabilities[None], labels).mean())


def roc_auc_by_thresholds(probabilities: Array, labels: Labels) -> float:
    """NIST's formula of Rounds 1 to 4: trapezoids between the thresholds 0.00, 0.01, ... 1.00.

    Probabilities closer than 0.01 may tie, and what lies outside [0, 1] is cut off from the curve.
    """
    found = rounded(probabilities) >= rounded(_THRESHOLDS)[:, None]
    hits, alarms = found[:, labels == 1].mean(axis=1), found[:, labels == 0].mean(axis=1)
    return float(np.sum((alarms[:-1] - alarms[1:]) * (hits[:-1] + hits[1:]) / 2))


def mean_auc(answers: Array, labels: Labels) -> float:
    """Mean ROC-AUC over the repeats of answers (repeats, N)."""
    return float(np.mean([roc_auc(repeat, labels) for repeat in answers]))


def wins(answers: Array, labels: Labels) -> Array:
    """(poisoned, clean): in which share of the repeats the poisoned one scores higher, ties counted half."""
    scores = rounded(answers)
    poisoned, clean = scores[:, labels == 1, None], scores[:, None, labels == 0]
    shares: Array = np.mean((poisoned > clean) + 0.5 * (poisoned == clean), axis=0)
    return shares


def resampled_aucs(shares: Array, rng: np.random.Generator) -> Array:
    """ROC-AUCs (resamples,) of models drawn again with replacement, clean and poisoned ones each."""
    poisoned, clean = (rng.multinomial(count, np.full(count, 1 / count), RESAMPLES) for count in shares.shape)
    drawn: Array = np.einsum("ri,ij,rj->r", poisoned, shares, clean, optimize=True) / shares.size
    return drawn


def bootstrap_interval(
    metric: Callable[[Array, Labels], float],
    probabilities: Array,
    labels: Labels,
    rng: np.random.Generator,
    *,
    strata: ArrayLike | None = None,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """The 95 % interval of any metric of probabilities (N,), by models drawn again with replacement.

    Drawn within the classes, and within the strata (N,) where these are given (domains, say).
    """
    names = np.zeros(len(labels)) if strata is None else np.asarray(strata)
    rows = [np.flatnonzero((names == name) & (labels == label)) for name in np.unique(names) for label in (0, 1)]
    values = []
    for _ in range(resamples):
        drawn = np.concatenate([rng.choice(some, len(some)) for some in rows if len(some)])
        values.append(metric(probabilities[drawn], labels[drawn]))
    return interval(np.array(values))


def interval(values: Array) -> tuple[float, float]:
    """The middle 95 %."""
    low, high = np.percentile(values, _INTERVAL)
    return float(low), float(high)


@dataclass(frozen=True)
class Chance:
    """The same procedure under permuted labels: mean metrics, and the share that do at least as well as the true ones.

    The true labels are counted in, so a p-value is at least 1 / (1 + permutations).
    """

    permutations: int
    roc_auc: float
    cross_entropy: float
    p_roc_auc: float
    p_cross_entropy: float


@dataclass(frozen=True)
class Metrics:
    """Metrics of one set of answers.

    Attributes
    ----------
    half_width
        Of the 95 % interval of the cross-entropy, 1.96 standard deviations over sqrt(models).
    auc_interval
        95 %, from resampled models.
    auc_by_thresholds
        NIST's formula of Rounds 1 to 4.
    false_positives, false_negatives
        Shares of all models, as NIST counts them: off by at least 0.5. An answer of just 0.5 is wrong either way.
    answers
        The mean answer to each model, of models held out.
    """

    num_models: int
    num_poisoned: int
    cross_entropy: float
    half_width: float
    brier: float
    roc_auc: float
    auc_interval: tuple[float, float]
    auc_by_thresholds: float
    false_positives: float
    false_negatives: float
    chance: Chance | None = None
    answers: Known | None = None

    @property
    def error_rate(self) -> float:
        """Share of models that are judged wrongly."""
        return self.false_positives + self.false_negatives

    @property
    def stored(self) -> Figures:
        """As they are kept with learned parameters."""
        return Figures(self.num_models, self.error_rate, self.cross_entropy, self.roc_auc, self.answers)

    @property
    def base_rate_cross_entropy(self) -> float:
        """What the share of poisoned models would have as the answer to each, in nats."""
        share = self.num_poisoned / self.num_models
        return -share * math.log(share) - (1 - share) * math.log1p(-share)


def judge(probabilities: Array, labels: Labels, seed: int) -> Metrics:
    """Of answers (repeats, N, P) and labels (N, P), the first column being the true ones; more are permutations."""
    answers, truth = probabilities[:, :, 0], labels[:, 0]
    losses = cross_entropies(answers, truth).mean(axis=0)
    false_positives, false_negatives = misses(answers, truth)
    return Metrics(
        num_models=len(truth),
        num_poisoned=int(truth.sum()),
        cross_entropy=float(losses.mean()),
        half_width=half_width(losses),
        brier=brier(answers, truth),
        roc_auc=mean_auc(answers, truth),
        auc_interval=interval(resampled_aucs(wins(answers, truth), np.random.default_rng(seed))),
        auc_by_thresholds=float(np.mean([roc_auc_by_thresholds(one, truth) for one in answers])),
        false_positives=false_positives,
        false_negatives=false_negatives,
        chance=_chance(probabilities, labels) if labels.shape[1] > 1 else None,
        answers=Known.of(answers.mean(axis=0), truth, MOST_ANSWERS),
    )


def judge_alone(probabilities: Array, labels: Labels, seed: int) -> Metrics:
    """Of answers (N,) of a fixed mapping to models of the labels (N,): no repeats, no permutations, no curve."""
    return replace(judge(probabilities[None, :, None], labels[:, None], seed), answers=None)


def _chance(probabilities: Array, labels: Labels) -> Chance:
    columns = range(labels.shape[1])
    aucs = np.array([mean_auc(probabilities[:, :, column], labels[:, column]) for column in columns])
    losses = cross_entropies(probabilities, labels).mean(axis=(0, 1))
    return Chance(
        permutations=len(columns) - 1,
        roc_auc=float(aucs[1:].mean()),
        cross_entropy=float(losses[1:].mean()),
        p_roc_auc=p_value(aucs),
        p_cross_entropy=p_value(losses, larger_is_better=False),
    )


@dataclass(frozen=True)
class Difference:
    """By how much the first of two procedures has the larger ROC-AUC on the same models, with its 95 % interval."""

    value: float
    interval: tuple[float, float]


def difference(first: Array, second: Array, labels: Labels, seed: int) -> Difference:
    """Of answers (repeats, N) of both to models of the labels (N,), which are resampled in pairs."""
    shares = wins(first, labels) - wins(second, labels)
    return Difference(float(shares.mean()), interval(resampled_aucs(shares, np.random.default_rng(seed))))
