"""What a regression is worth: on models that took no part in its fit, on those that did, and on shuffled labels.

Figures follow the formulas of NIST's test harness (TrojAI documentation, metrics). Everything that learns from labels
happens inside the fold. The permutation test repeats the whole evaluation with labels that mean nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detector.learning.evaluation.metrics import cross_entropies, error_rate, half_width, mean_auc, roc_auc
from detector.learning.regression.fitting import FitMethod, Labels, Probabilities, Vectors, fit, folds
from detector.mapping.parameters import Clip, Figures

REPEATS = 5  # of the cross-validation, each with folds of its own
PERMUTATIONS = 49  # the smallest p-value is then 0.02


@dataclass(frozen=True)
class Evaluation:
    """What was found.

    Attributes
    ----------
    held_out
        Means over the repeats of the cross-validation.
    half_width
        Of the 95 % interval of the held-out cross-entropy.
    in_sample
        On the models of the fit itself: flattering.
    permuted_auc
        Mean held-out ROC-AUC with shuffled labels.
    p_value
        The share of shufflings, the true labels counted in, whose held-out ROC-AUC is at least that of the true ones.
    """

    held_out: Figures
    half_width: float
    in_sample: Figures
    folds: int
    permuted_auc: float
    p_value: float


def figures(probabilities: Probabilities, labels: Labels) -> Figures:
    """All figures of one set of answers (N,)."""
    losses = cross_entropies(probabilities, labels)
    return Figures(len(labels), error_rate(probabilities, labels), float(losses.mean()), roc_auc(probabilities, labels))


def evaluate(
    method: FitMethod,
    vectors: Vectors,
    labels: Labels,
    *,
    clip: Clip,
    seed: int,
    repeats: int = REPEATS,
    permutations: int = PERMUTATIONS,
) -> Evaluation:
    """Evaluate `fit` on vectors (N, length) and labels (N,) with at least three models of each class."""
    answers = held_out_probabilities(method, vectors, labels, clip=clip, seed=seed, repeats=repeats)
    auc = mean_auc(answers, labels)
    losses = cross_entropies(answers, labels).mean(axis=0)
    held_out = Figures(len(labels), error_rate(answers, labels), float(losses.mean()), auc)
    rng = np.random.default_rng(seed)
    shuffled = [rng.permutation(labels) for _ in range(permutations)]
    chance = [
        mean_auc(held_out_probabilities(method, vectors, other, clip=clip, seed=seed, repeats=repeats), other)
        for other in shuffled
    ]
    return Evaluation(
        held_out=held_out,
        half_width=half_width(losses),
        in_sample=figures(fit(method, vectors, labels, seed).probabilities(vectors, clip), labels),
        folds=len(folds(labels, seed)),
        permuted_auc=float(np.mean(chance)),
        p_value=(1 + sum(other >= auc for other in chance)) / (1 + permutations),
    )


def held_out_probabilities(
    method: FitMethod, vectors: Vectors, labels: Labels, *, clip: Clip, seed: int, repeats: int
) -> Probabilities:
    """Answers (repeats, N): in each repeat every model is judged once, by a fit on other folds."""
    answers = np.empty((repeats, len(labels)))
    for repeat in range(repeats):
        for fitted, held_out in folds(labels, (seed + repeat) % 2**32):
            regression = fit(method, vectors[fitted], labels[fitted], seed)
            answers[repeat, held_out] = regression.probabilities(vectors[held_out], clip)
    return answers
