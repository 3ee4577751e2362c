"""The regression that goes into a bundle: the whole search once more, on all models.

The same procedure that the nested cross-validation judges. Standardisation and calibration are folded into the
coefficients, so that a logistic `Configuration` of the raw features is all that is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.configure.calibration import calibrate
from detector.configure.candidates import Bank, Candidate
from detector.configure.crossvalidation import inner_scores
from detector.configure.design import Design
from detector.configure.evaluation import cross_entropies
from detector.configure.fitting import Fit
from detector.configure.logistic import STRENGTHS, Logistic
from detector.configure.readings import ArchitectureReadings
from detector.configure.ridge import Scale
from detector.configure.searching import RIDGE_STRENGTHS, Choice, Families, Fits
from detector.mapping.parameters import Clip, MappingKind

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Conclusion:
    """What the search over all models of one or more architectures ends at.

    Attributes
    ----------
    candidate, strength, loss
        The winner, its penalty per model and its squared leave-one-out error; of logistic regression its cross-entropy
        held out.
    fits
        For each architecture the regression of the raw features.
    inner_losses
        For each architecture the mean cross-entropy of held-out answers, known without an outer fold.
    useful
        Whether anything beats the base rate: if not, the fits say nothing else.
    candidates, tried
        All of them, and the loss of each at its best strength.
    """

    candidate: Candidate
    strength: float
    loss: float
    fits: tuple[Fit, ...]
    inner_losses: tuple[float, ...]
    useful: bool
    candidates: tuple[Candidate, ...]
    tried: Array


def conclude(
    bank: Bank, readings: Sequence[ArchitectureReadings], design: Design, families: Families, clip: Clip
) -> dict[str, Conclusion]:
    """Search each family, fit and calibrate on all models of the readings, which bank and design are made of."""
    design, everyone = design.with_true_labels_only(), np.arange(len(design.labels))
    nobody = np.zeros(1, dtype=np.int64)  # whom a final fit judges does not matter
    fits = Fits.of(bank, design.architecture, design.labels, everyone, nobody, RIDGE_STRENGTHS)
    scores = inner_scores(bank, design, families, RIDGE_STRENGTHS)
    return {
        name: _concluded(fits, fits.search(family), scores[name], readings, design, clip)
        for name, family in families.items()
    }


def _concluded(
    fits: Fits, choice: Choice, scores: Array, readings: Sequence[ArchitectureReadings], design: Design, clip: Clip
) -> Conclusion:
    calibration = calibrate(scores, design.labels)
    losses = cross_entropies(calibration(scores).clip(clip.low, clip.high), design.labels)[:, 0]
    candidate, slope = fits.bank.candidates[choice.candidate[0]], float(calibration.slope[0])
    intercept = float(calibration.intercept[0]) + slope * float(design.labels.mean())
    directions, scale = slope * fits.coefficients(choice), _scale(candidate, readings, design)
    return Conclusion(
        candidate=candidate,
        strength=float(choice.strength[0]),
        loss=float(choice.loss[0]),
        fits=tuple(
            _folded(directions / deviations, means, intercept)
            for means, deviations in zip(scale.means, scale.deviations, strict=True)
        ),
        inner_losses=tuple(float(losses[design.architecture == number].mean()) for number in range(len(readings))),
        useful=slope > 0,
        candidates=fits.bank.candidates,
        tried=fits.losses[:, 0],
    )


def conclude_logistic(
    readings: Sequence[ArchitectureReadings],
    wanted: Sequence[Candidate],
    others: Sequence[Candidate],
    design: Design,
    clip: Clip,
) -> Conclusion:
    """The best of the `wanted` candidates by pooled logistic regression; the `others` are tried, and not chosen."""
    design = design.with_true_labels_only()
    fitted = Logistic.of(readings, [*wanted, *others], design, clip)
    losses = fitted.inner_losses(np.ones(len(design.labels), dtype=bool))[..., 0]
    means = losses.mean(axis=1)
    best = int(means[: len(wanted) * len(STRENGTHS)].argmin())
    return Conclusion(
        candidate=fitted.candidates[best // len(STRENGTHS)],
        strength=STRENGTHS[best % len(STRENGTHS)],
        loss=float(means[best]),
        fits=fitted.fits(best),
        inner_losses=tuple(
            float(losses[best, design.architecture == number].mean()) for number in range(len(readings))
        ),
        useful=STRENGTHS[best % len(STRENGTHS)] < max(STRENGTHS),
        candidates=fitted.candidates,
        tried=means.reshape(-1, len(STRENGTHS)).min(axis=1),
    )


def _scale(candidate: Candidate, readings: Sequence[ArchitectureReadings], design: Design) -> Scale:
    features = np.concatenate([candidate.features(one) for one in readings])
    return Scale.of(features, design.architecture, len(readings))


def _folded(coefficients: Array, means: Array, intercept: float) -> Fit:
    return Fit(MappingKind.LOGISTIC, float(intercept - means @ coefficients), tuple(coefficients.tolist()))
