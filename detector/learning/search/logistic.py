"""The choice among candidates and penalties by pooled L2 logistic regression, inside the fold.

Fitted for many sets of labels at once. No calibration is needed: what it answers are probabilities. Reads readings
alone, which are finite.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.learning.evaluation.design import Design
from detector.learning.evaluation.nested import best_options, chosen_answers, held_out_losses, nested_probabilities
from detector.learning.regression.fit import Fit, raw_fits
from detector.learning.regression.logistic import fit_logistic, logistic, with_constant
from detector.learning.regression.scale import Scale
from detector.learning.search.candidates import Candidate
from detector.mapping.configuration import Clip
from detector.sweep.readings import ArchitectureReadings

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

PENALTIES = (0.01, 0.03, 0.1, 0.3, 3.0, 1000.0)  # per model, features standardised; the last: the base rate


@dataclass(frozen=True)
class LogisticSearch:
    """The features of all N models for each candidate, and the design.

    An option is a candidate with one of PENALTIES; options are numbered candidate by candidate.
    """

    candidates: tuple[Candidate, ...]
    features: tuple[Array, ...]
    design: Design
    clip: Clip

    @classmethod
    def of(
        cls, readings: Sequence[ArchitectureReadings], candidates: Sequence[Candidate], design: Design, clip: Clip
    ) -> LogisticSearch:
        """Of the models of one or more architectures, one after the other, as they are in the design."""
        features = tuple(np.concatenate([candidate.features(own) for own in readings]) for candidate in candidates)
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
        features, penalty = self.features[option // len(PENALTIES)], PENALTIES[option % len(PENALTIES)]
        architecture = self.design.architecture
        scale = Scale.of(features, architecture, int(architecture.max()) + 1)
        inputs = with_constant(scale(features, architecture))
        weights = fit_logistic(inputs, self.design.labels[:, :1], penalty)[:, 0]
        return raw_fits("logistic", float(weights[0]), weights[1:], scale)

    def options(self, fitted: Mask) -> Array:
        """Probabilities (options, N, P) of all models, clipped, by fits of those that are `fitted` (N,)."""
        architecture = self.design.architecture
        options = []
        for features in self.features:
            scale = Scale.of(features[fitted], architecture[fitted], int(architecture.max()) + 1)
            inputs = with_constant(scale(features, architecture))
            for penalty in PENALTIES:
                weights = fit_logistic(inputs[fitted], self.design.labels[fitted], penalty)
                options.append(logistic(inputs @ weights))
        return np.array(options).clip(self.clip.low, self.clip.high)
