"""The search for the best configuration, in the paper's two stages, for many sets of labels at once.

First theta_error (pruning method, sampling, ranking, p) at a small |S| and |D|, then theta_exec = {|S|, |D|} at the
best theta_error (arXiv 2101.12016, "Reduction of Search Space"). The paper compares in-sample errors; here the squared
leave-one-out error of the regression decides, over thetas, signals, reductions and penalties alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.learning.evaluation.design import Design
from detector.learning.evaluation.rounding import rounded
from detector.learning.regression.fit import Fit
from detector.learning.regression.ridge import Ridge
from detector.learning.search.candidate_features import CandidateFeatures

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]

RIDGE_PENALTIES = (0.03, 0.3, 3.0, 30.0)  # penalty per model, features standardised
OLS_PENALTIES = (0.0,)


@dataclass(frozen=True)
class Choice:
    """For each of P sets of labels the candidate and penalty that the search ends at, and their loss; each (P,)."""

    candidate: Indices
    penalty: Array
    loss: Array


@dataclass(frozen=True)
class Fits:
    """All candidates fitted on some models: their losses, and on demand what they say of other models."""

    features: CandidateFeatures
    ridges: tuple[Ridge, ...]
    labels: Array
    losses: Array
    penalties: Array

    @classmethod
    def of(
        cls,
        features: CandidateFeatures,
        architecture: Indices,
        labels: Indices,
        fitted: Indices,
        others: Indices,
        penalties: Sequence[float],
    ) -> Fits:
        """Fit labels (N, P) of the models `fitted`, prepared to judge the `others`."""
        ridges = tuple(Ridge.of(block, architecture, fitted, others) for block in features.blocks)
        targets = labels[fitted].astype(np.float64)
        losses = rounded(np.concatenate([ridge.losses(targets, penalties) for ridge in ridges]))
        best = losses.argmin(axis=1)
        least = np.take_along_axis(losses, best[:, None], axis=1)[:, 0]
        return cls(features, ridges, targets, least, np.array(penalties)[best])

    def search(self, family: Mask) -> Choice:
        """The winner among the candidates of the family (C,), for each set of labels."""
        rows = np.flatnonzero(family)
        losses, group, columns = self.losses[rows], self.features.group[rows], np.arange(self.losses.shape[1])
        first = np.where(self.features.reference[rows, None], losses, np.inf).argmin(axis=0)
        second = np.where(group[:, None] == group[first], losses, np.inf).argmin(axis=0)
        chosen = rows[second]
        return Choice(chosen, self.penalties[chosen, columns], losses[second, columns])

    def raw_fits(self, choice: Choice) -> tuple[Fit, ...]:
        """What is chosen for the first set of labels, as a regression of the raw features of each architecture."""
        number = int(choice.candidate[0])
        for ridge in self.ridges:
            if number < len(ridge.left):
                return ridge.raw_fits(self.labels[:, 0], number, float(choice.penalty[0]))
            number -= len(ridge.left)
        raise IndexError(f"expected one of the candidates, got {choice.candidate[0]}")

    def scores(self, choice: Choice) -> Array:
        """What the chosen fits say of the other models, (others, P): about 0 for clean ones, about 1 for poisoned."""
        scores = np.empty((self.ridges[0].others.shape[1], self.labels.shape[1]))
        start = 0
        for ridge in self.ridges:
            inside = np.flatnonzero((choice.candidate >= start) & (choice.candidate < start + len(ridge.left)))
            if len(inside):
                chosen = choice.candidate[inside] - start
                scores[:, inside] = ridge.predictions(self.labels[:, inside], chosen, choice.penalty[inside])
            start += len(ridge.left)
        return scores


Families = Mapping[str, Mask]  # parts of the search space by name, each a mask (C,) of candidates


def fit_all(features: CandidateFeatures, design: Design, penalties: Sequence[float]) -> Fits:
    """All candidates fitted on all models of the design under the true labels; nobody is left to be judged."""
    everyone = np.arange(len(design.labels))
    return Fits.of(features, design.architecture, design.labels[:, :1], everyone, everyone[:0], penalties)
