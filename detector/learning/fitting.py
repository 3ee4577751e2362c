"""Fittings: the ways in which a mapping can be fitted where theta is given, by the names that `train_mapping` knows.

The paper's regressions, and every registered mapping that says itself how it is fitted (`detector/mapping/port.py`).
The regressions stand here, not with their mappings: they are those of the search, which fits thousands of candidates
and permutations at once, and two of them fit the same mapping, `linear`. A mapping's own function fits one set of
labels at a time, and is called anew for each fold and permutation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from detector.base.errors import ParametersError
from detector.base.registry import Registry
from detector.learning.evaluation.design import Design
from detector.learning.regression.fit import Fitted
from detector.learning.search.candidate_features import CandidateFeatures
from detector.learning.search.candidates import Candidate
from detector.learning.search.crossvalidation import cross_validate
from detector.learning.search.logistic import LogisticSearch
from detector.learning.search.searching import OLS_PENALTIES, RIDGE_PENALTIES, fit_all
from detector.learning.search.selected import select
from detector.mapping.configuration import Clip
from detector.mapping.port import MAPPINGS, FitMapping, FittedMapping
from detector.sweep.readings import ArchitectureReadings

Array = NDArray[np.float64]

CLIP = Clip()


@dataclass(frozen=True)
class Fitting:
    """One way to fit.

    Attributes
    ----------
    name, description
        As metaparameters call it, and in a few words.
    fit
        On the models of one architecture: what is fitted on all of them, and held-out probabilities (repeats, M, P).
    has_penalty
        Whether it has one, which it chooses inside the fold.
    """

    name: str
    description: str
    fit: Callable[[ArchitectureReadings, Candidate, Design], tuple[Fitted, Array]]
    has_penalty: bool = True


def fittings() -> Registry[Fitting]:
    """All of them: the regressions, then the mappings with a way of their own."""
    found: Registry[Fitting] = Registry("fitting")
    for fitting in (*_REGRESSIONS, *_own_fittings()):
        found.add(fitting)
    return found


def _linear(
    penalties: tuple[float, ...], readings: ArchitectureReadings, candidate: Candidate, design: Design
) -> tuple[Fitted, Array]:
    features, families = CandidateFeatures.of([readings], [candidate]), {"given": np.ones(1, dtype=bool)}
    found = cross_validate(features, design, families, penalties, CLIP, calibrated=False)["given"]
    fits = fit_all(features, design, penalties)
    return fits.raw_fits(fits.search(families["given"]))[0], found.probabilities


def _logistic(readings: ArchitectureReadings, candidate: Candidate, design: Design) -> tuple[Fitted, Array]:
    selected = select([readings], [candidate], [], design, CLIP)
    return selected.fits[0], LogisticSearch.of([readings], [candidate], design, CLIP).held_out()


_REGRESSIONS = (
    Fitting("ols", "ordinary least squares as in the paper", partial(_linear, OLS_PENALTIES)),
    Fitting("ridge", "linear, its L2 penalty chosen by leave-one-out", partial(_linear, RIDGE_PENALTIES)),
    Fitting("logistic", "logistic, its L2 penalty chosen by cross-validation", _logistic),
)


def _own_fittings() -> list[Fitting]:
    return [
        Fitting(entry.name, "as that mapping fits itself", partial(_by_itself, entry.fit), has_penalty=False)
        for entry in MAPPINGS
        if entry.fit is not None
    ]


def _by_itself(
    fit: FitMapping, readings: ArchitectureReadings, candidate: Candidate, design: Design
) -> tuple[Fitted, Array]:
    names, vectors = [feature.name for feature in candidate.inputs], candidate.features(readings)
    everyone = OwnFit(tuple(names), fit(names, vectors, design.labels[:, 0]))
    answers = np.empty((len(design.folds.numbers), *design.labels.shape))
    for repeat, numbers in enumerate(design.folds.numbers):
        for fold in np.unique(numbers):
            held_out = numbers == fold
            for column, labels in enumerate(design.labels[~held_out].T):
                fitted = OwnFit(everyone.features, fit(names, vectors[~held_out], labels))
                answers[repeat, held_out, column] = fitted.probabilities(vectors[held_out], CLIP)
    return everyone, answers


@dataclass(frozen=True)
class OwnFit:
    """A mapping that fitted itself, on vectors of these features."""

    features: tuple[str, ...]
    fitted: FittedMapping

    def probabilities(self, vectors: Array, clip: Clip) -> Array:
        """Of being poisoned, clipped: for vectors (N, length) an array (N,).

        Raises
        ------
        ParametersError
            The mapping answers what is no number.
        """
        answers = [self.fitted.apply(dict(zip(self.features, row, strict=True))) for row in vectors.tolist()]
        found = np.array([answer.probability for answer in answers])
        if not np.isfinite(found).all():
            raise ParametersError(
                f"the mapping {self.fitted.name!r} answers {found[~np.isfinite(found)][0]}",
                where="train_mapping",
                expected="a finite probability for every model",
                next_step="mend how the mapping is fitted or applied, or choose another one",
            )
        return found.clip(clip.low, clip.high)

    def mapping(self, features: Sequence[str]) -> FittedMapping:
        """The mapping itself; ValueError if these are not the features that it was fitted on."""
        if tuple(features) != self.features:
            raise ValueError("expected the features of the fit")
        return self.fitted
