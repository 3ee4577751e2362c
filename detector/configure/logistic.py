"""L2 logistic regression of the pooled models, beside the ridge: its strength and signals are chosen inside the fold.

Fitted for many sets of labels at once, by Newton's method on all of them together. No calibration is needed: what it
answers are probabilities. Reads readings alone, which are finite.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from detector.configure.candidates import Candidate
from detector.configure.design import Design
from detector.configure.evaluation import cross_entropies
from detector.configure.readings import ArchitectureReadings
from detector.configure.ridge import Scale
from detector.mapping.parameters import Clip

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

STRENGTHS = (0.01, 0.03, 0.1, 0.3)  # penalty per model, features standardised
_STEPS = 15
_LONGEST_STEP = 3.0  # of any coefficient
_FARTHEST = 30.0  # log-odds: beyond it the curvature is nothing


def logistic_answers(
    readings: Sequence[ArchitectureReadings], candidates: Sequence[Candidate], design: Design, clip: Clip
) -> Array:
    """Probabilities (repeats, N, P) of models held out, from whichever candidate and strength is best inside."""
    features = [np.concatenate([candidate.features(one) for one in readings]) for candidate in candidates]
    return np.array([_held_out(features, design, folds, clip) for folds in design.folds])


def _held_out(features: Sequence[Array], design: Design, folds: Indices, clip: Clip) -> Array:
    """Of one repeat. A fit without the folds f and g judges g for the choice in f, and f for that in g."""
    numbers = [int(number) for number in np.unique(folds)]
    left_out = [*((number,) for number in numbers), *combinations(numbers, 2)]
    answers = {some: _options(features, design, ~np.isin(folds, some)) for some in left_out}
    probabilities = np.empty(design.labels.shape)
    for fold in numbers:
        losses = sum(_losses(answers, fold, other, folds, design) for other in numbers if other != fold)
        best = np.argmin(losses, axis=0)
        own = np.take_along_axis(answers[fold,], best[None, None], axis=0)[0]
        probabilities[folds == fold] = own[folds == fold]
    clipped: Array = probabilities.clip(clip.low, clip.high)
    return clipped


def _losses(answers: Mapping[tuple[int, ...], Array], fold: int, other: int, folds: Indices, design: Design) -> Array:
    """Cross-entropies (options, P) of the models of the fold `other`, summed."""
    rows = folds == other
    summed: Array = cross_entropies(answers[min(fold, other), max(fold, other)][:, rows], design.labels[rows]).sum(
        axis=1
    )
    return summed


def _options(features: Sequence[Array], design: Design, fitted: NDArray[np.bool_]) -> Array:
    """Probabilities (candidates x strengths, N, P) of all models, by fits of those that are `fitted`."""
    architecture = design.architecture
    options = []
    for one in features:
        scale = Scale.of(one[fitted], architecture[fitted], int(architecture.max()) + 1)
        inputs = np.column_stack([np.ones(len(one)), scale(one, architecture)])
        for strength in STRENGTHS:
            weights = fit_logistic(inputs[fitted], design.labels[fitted], strength)
            options.append(1 / (1 + np.exp(-np.clip(inputs @ weights, -_FARTHEST, _FARTHEST))))
    return np.array(options)


def fit_logistic(inputs: Array, labels: Indices, strength: float) -> Array:
    """Coefficients (d, P) for inputs (n, d), whose first column is the constant and free, and labels (n, P).

    Minimises the cross-entropy, summed over the n models, plus n * strength / 2 times the squared coefficients.
    """
    penalty = np.full(inputs.shape[1], len(inputs) * strength)
    penalty[0] = 0.0
    weights = np.zeros((inputs.shape[1], labels.shape[1]))
    for _ in range(_STEPS):
        odds = 1 / (1 + np.exp(-np.clip(inputs @ weights, -_FARTHEST, _FARTHEST)))
        gradient = inputs.T @ (odds - labels) + penalty[:, None] * weights
        curvature = np.matmul(inputs.T, (odds * (1 - odds)).T[:, :, None] * inputs) + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient.T[..., None])[..., 0].T
        weights -= step * np.minimum(1.0, _LONGEST_STEP / np.maximum(np.abs(step).max(axis=0), 1e-12))
    return weights
