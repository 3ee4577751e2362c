"""What honest figures are put beside: the paper's in-sample ones, and how accuracy grows with the number of models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detector.learning.evaluation.folds import FOLDS
from detector.learning.evaluation.metrics import Metrics, cross_entropies, error_rate, judge, roc_auc
from detector.learning.regression.fitting import FitMethod, fit
from detector.learning.regression.logistic import Logistic
from detector.learning.search.candidates import paper_candidates
from detector.mapping.parameters import Clip
from detector.pruning.theta import Theta
from detector.sweep.readings import ArchitectureReadings

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

_UNCLIPPED = Clip(0.0, 1.0)
_NOISE_DRAWS = 20


@dataclass(frozen=True)
class InSample:
    """The paper's figures: least squares on the accuracies of every theta, each scored on the models of its fit.

    Attributes
    ----------
    best
        Of the theta with the smallest error, as the paper reports it.
    cross_entropy
        The smallest of any theta.
    noise_error, noise_cross_entropy
        The same of random numbers in place of the accuracies, mean of 20 draws.
    """

    architecture: str
    theta: Theta
    best: Metrics
    cross_entropy: float
    noise_error: float
    noise_cross_entropy: float


def in_sample(readings: ArchitectureReadings, thetas: Sequence[Theta], seed: int) -> InSample:
    """Of the given points of the search space."""
    candidates = paper_candidates(thetas)
    vectors = [candidate.features(readings) for candidate in candidates]
    labels, rng = readings.poisoned, np.random.default_rng(seed)
    answers = _fitted(vectors, labels)
    errors, losses = _errors(answers, labels), _losses(answers, labels)
    best = int(errors.argmin())
    noise = [_fitted([rng.random(one.shape) for one in vectors], labels) for _ in range(_NOISE_DRAWS)]
    return InSample(
        readings.architecture,
        candidates[best].thetas[0],
        judge(answers[best][None, :, None], labels[:, None], seed),
        float(losses.min()),
        float(np.mean([_errors(one, labels).min() for one in noise])),
        float(np.mean([_losses(one, labels).min() for one in noise])),
    )


def _fitted(vectors: Sequence[Array], labels: Indices) -> Array:
    """Answers (fits, M) to the models of the fit."""
    return np.array([fit(FitMethod.OLS, one, labels, 0).probabilities(one, _UNCLIPPED) for one in vectors])


def _errors(answers: Array, labels: Indices) -> Array:
    return np.array([error_rate(one, labels) for one in answers])


def _losses(answers: Array, labels: Indices) -> Array:
    losses: Array = cross_entropies(answers, labels).mean(axis=1)
    return losses


@dataclass(frozen=True)
class LearningPoint:
    """ROC-AUCs (draws,) of models not drawn, when `models` of each architecture are searched and fitted on."""

    models: int
    aucs: Array


def learning_curve(procedure: Logistic, draws: int, seed: int) -> tuple[LearningPoint, ...]:
    """The procedure on ever more models, half of them poisoned, drawn anew each time; a fifth stays out."""
    design = procedure.design
    rarer = min(min(np.bincount(design.part(int(number)).labels[:, 0])) for number in np.unique(design.architecture))
    largest = int(rarer * (FOLDS - 1) / FOLDS)
    sizes = sorted({max(2, round(largest * share)) for share in (0.25, 0.5, 0.75, 1.0)})
    rng, one_set = np.random.default_rng(seed), replace(procedure, design=design.with_true_labels_only())
    return tuple(
        LearningPoint(2 * size, np.array([_auc_of_others(one_set, size, rng) for _ in range(draws)])) for size in sizes
    )


def _auc_of_others(procedure: Logistic, size: int, rng: np.random.Generator) -> float:
    labels, architectures = procedure.design.labels[:, 0], procedure.design.architecture
    groups = [
        np.flatnonzero((architectures == architecture) & (labels == label))
        for architecture in np.unique(architectures)
        for label in (0, 1)
    ]
    drawn = np.zeros(len(labels), dtype=bool)
    drawn[np.concatenate([rng.choice(group, size, replace=False) for group in groups])] = True
    return roc_auc(procedure.answers(drawn)[~drawn, 0], labels[~drawn])
