"""Nested cross-validation of the whole search, under the true labels and under all permutations at once.

Fold by fold: search, fit and calibration see the other folds only. Calibration needs scores of models that took no part
in the fit, the search included: those of each other fold come from searches that leave out both it and the fold in
hand. A search without the folds f and g serves both, so a repeat takes 5 + 10 searches, not 5 x 5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from detector.learning.evaluation.calibration import calibrate
from detector.learning.evaluation.design import Design
from detector.learning.evaluation.metrics import cross_entropies
from detector.learning.evaluation.rounding import rounded
from detector.learning.search.candidates import Bank
from detector.learning.search.searching import Families, Fits
from detector.mapping.parameters import Clip

Array = NDArray[np.float64]
# By the folds left out: scores (N, P), of which only the rows of these folds mean something.
_Scores = Mapping[tuple[int, ...], Array]


@dataclass(frozen=True)
class CrossValidated:
    """What a procedure says of models it has not seen.

    Attributes
    ----------
    probabilities
        (repeats, N, P), clipped.
    inner_losses
        (repeats, folds, architectures, P): mean cross-entropy, per architecture, of the models that calibrate the
        answers of a fold. Known before the fold is looked at.
    """

    probabilities: Array
    inner_losses: Array


def cross_validate(
    bank: Bank, design: Design, families: Families, strengths: Sequence[float], clip: Clip, *, calibrated: bool = True
) -> dict[str, CrossValidated]:
    """Judge every model of the design by searches that have not seen it, once a repeat and family.

    Without calibration the score itself is the probability, as in the paper.
    """
    parts: dict[str, list[CrossValidated]] = {name: [] for name in families}
    for folds in design.folds.numbers:
        scores = _held_out_scores(bank, design, folds, families, strengths, nested=calibrated)
        for name, part in parts.items():
            part.append(_judged(scores[name], design, folds, clip, calibrated=calibrated))
    return {name: _stacked(part) for name, part in parts.items()}


def _held_out_scores(
    bank: Bank,
    design: Design,
    folds: NDArray[np.int64],
    families: Families,
    strengths: Sequence[float],
    *,
    nested: bool,
) -> Mapping[str, _Scores]:
    found: dict[str, dict[tuple[int, ...], Array]] = {name: {} for name in families}
    numbers = [int(number) for number in np.unique(folds)]
    for left_out in [*((number,) for number in numbers), *(combinations(numbers, 2) if nested else ())]:
        others = np.isin(folds, left_out)
        rows = np.flatnonzero(others)
        fits = Fits.of(bank, design.architecture, design.labels, np.flatnonzero(~others), rows, strengths)
        for name, family in families.items():
            found[name][left_out] = np.zeros(design.labels.shape)
            found[name][left_out][rows] = fits.scores(fits.search(family))
    return found


def _judged(
    found: _Scores, design: Design, folds: NDArray[np.int64], clip: Clip, *, calibrated: bool
) -> CrossValidated:
    """One repeat, as arrays without the axis of the repeats."""
    numbers = np.unique(folds)
    architectures = np.unique(design.architecture)
    probabilities = np.empty(design.labels.shape)
    losses = np.full((len(numbers), len(architectures), design.labels.shape[1]), np.nan)
    for fold in numbers:
        held_out, outer = folds == fold, found[fold,]
        if not calibrated:
            probabilities[held_out] = outer[held_out].clip(clip.low, clip.high)
            continue
        inner = np.zeros(outer.shape)
        for other in numbers[numbers != fold]:
            rows = folds == other
            inner[rows] = found[min(fold, other), max(fold, other)][rows]
        calibration = calibrate(inner[~held_out], design.labels[~held_out])
        probabilities[held_out] = calibration(outer[held_out]).clip(clip.low, clip.high)
        surprise = cross_entropies(calibration(inner).clip(clip.low, clip.high), design.labels)
        for number in architectures:
            losses[fold, number] = surprise[~held_out & (design.architecture == number)].mean(axis=0)
    return CrossValidated(probabilities, losses)


def _stacked(parts: Sequence[CrossValidated]) -> CrossValidated:
    return CrossValidated(
        np.array([part.probabilities for part in parts]),
        np.array([part.inner_losses for part in parts]),
    )


def better_of(first: CrossValidated, second: CrossValidated, folds: NDArray[np.int64]) -> CrossValidated:
    """For one architecture: in each fold the procedure whose inner cross-entropy is smaller; the first if equal."""
    wins = rounded(second.inner_losses[:, :, 0]) < rounded(first.inner_losses[:, :, 0])  # (repeats, folds, P)
    take = np.take_along_axis(wins, folds[..., None], axis=1)  # (repeats, N, P)
    return CrossValidated(
        np.where(take, second.probabilities, first.probabilities),
        np.minimum(first.inner_losses, second.inner_losses),
    )
