"""L2 logistic regression of the pooled models: candidate and strength are chosen by cross-validation inside the fold.

Fitted for many sets of labels at once, all with the same bound on the curvature: one inverse serves all of them.
No calibration is needed: what it answers are probabilities. Reads readings alone, which are finite.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.learning.evaluation.design import Design
from detector.learning.evaluation.nested import best_options, chosen_answers, held_out_losses, nested_probabilities
from detector.learning.regression.fitting import Fit
from detector.learning.regression.ridge import Scale
from detector.learning.search.candidates import Candidate
from detector.mapping.parameters import Clip, MappingKind
from detector.sweep.readings import ArchitectureReadings

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]

STRENGTHS = (0.01, 0.03, 0.1, 0.3, 3.0, 1000.0)  # penalty per model, features standardised; the last: the base rate
_MOST_STEPS = 2000
_CONVERGED = 1e-8  # of any coefficient in a step
_FARTHEST = 30.0  # log-odds: beyond it a probability is 0 or 1


@dataclass(frozen=True)
class Logistic:
    """The choice among candidates and penalties: the features of all N models for each candidate, and the design.

    An option is a candidate with one of STRENGTHS; options are numbered candidate by candidate.
    """

    candidates: tuple[Candidate, ...]
    features: tuple[Array, ...]
    design: Design
    clip: Clip

    @classmethod
    def of(
        cls, readings: Sequence[ArchitectureReadings], candidates: Sequence[Candidate], design: Design, clip: Clip
    ) -> Logistic:
        """Of the models of one or more architectures, one after the other, as they are in the design."""
        features = tuple(np.concatenate([candidate.features(one) for one in readings]) for candidate in candidates)
        return cls(tuple(candidates), features, design, clip)

    def held_out(self) -> Array:
        """Probabilities (repeats, N, P) of every model by whichever option is best among the other folds."""
        return nested_probabilities(self.options, self.design.labels, self.design.folds)

    def answers(self, rows: Mask) -> Array:
        """Probabilities (N, P) of all models by the option that is best among the models of `rows`, fitted on them."""
        best = best_options(self.inner_losses(rows).mean(axis=1))
        return chosen_answers(self.options(rows), best)

    def inner_losses(self, rows: Mask) -> Array:
        """Cross-entropies (options, rows, P) of the models of `rows`, by fits without their fold of the first repeat.

        Under the true labels alone where that is all that the design has.
        """
        return held_out_losses(self.options, self.design.labels, self.design.folds.numbers[0], rows)

    def fits(self, option: int) -> tuple[Fit, ...]:
        """The regression of the raw features, for each architecture: one option, all models, the true labels."""
        features, strength = self.features[option // len(STRENGTHS)], STRENGTHS[option % len(STRENGTHS)]
        architecture = self.design.architecture
        scale = Scale.of(features, architecture, int(architecture.max()) + 1)
        inputs = _with_constant(scale(features, architecture))
        weights = fit_logistic(inputs, self.design.labels[:, :1], strength)[:, 0]
        return tuple(
            _folded(weights[0], weights[1:] / deviations, means)
            for means, deviations in zip(scale.means, scale.deviations, strict=True)
        )

    def options(self, fitted: Mask) -> Array:
        """Probabilities (options, N, P) of all models, clipped, by fits of those that are `fitted` (N,)."""
        architecture = self.design.architecture
        options = []
        for one in self.features:
            scale = Scale.of(one[fitted], architecture[fitted], int(architecture.max()) + 1)
            inputs = _with_constant(scale(one, architecture))
            for strength in STRENGTHS:
                weights = fit_logistic(inputs[fitted], self.design.labels[fitted], strength)
                options.append(1 / (1 + np.exp(-np.clip(inputs @ weights, -_FARTHEST, _FARTHEST))))
        return np.array(options).clip(self.clip.low, self.clip.high)


def _with_constant(inputs: Array) -> Array:
    return np.column_stack([np.ones(len(inputs)), inputs])


def _folded(intercept: float, coefficients: Array, means: Array) -> Fit:
    return Fit(MappingKind.LOGISTIC, float(intercept - means @ coefficients), tuple(coefficients.tolist()))


def fit_logistic(inputs: Array, labels: Indices, strength: float) -> Array:
    """Coefficients (d, P) for inputs (n, d), whose first column is the constant and free, and labels (n, P).

    Minimises the cross-entropy, summed over the n models, plus n * strength / 2 times the squared coefficients: steps
    under the bound 1/4 on the curvature of each model (Boehning 1992), each begun a little further on in the direction
    of the last (Nesterov 1983), but where that turns back (O'Donoghue and Candes 2015).
    """
    penalty = np.full((inputs.shape[1], 1), len(inputs) * strength)
    penalty[0] = 0.0
    inverse = np.linalg.inv(inputs.T @ inputs / 4 + np.diag(penalty[:, 0]))
    weights = np.zeros((inputs.shape[1], labels.shape[1]))
    ahead, momentum = weights, 1.0
    for _ in range(_MOST_STEPS):
        odds = 1 / (1 + np.exp(-np.clip(inputs @ ahead, -_FARTHEST, _FARTHEST)))
        step = inverse @ (inputs.T @ (odds - labels) + penalty * ahead)
        last, weights = weights, ahead - step
        if np.abs(step).max() <= _CONVERGED:
            break
        onwards = (step * (weights - last)).sum(axis=0) < 0
        previous, momentum = momentum, (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = weights + np.where(onwards, (previous - 1) / momentum, 0.0) * (weights - last)
    return weights
