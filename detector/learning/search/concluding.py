"""The regression that goes into a bundle: the published procedure once more, on all models.

The same that the nested cross-validation judges. Standardisation is folded into the coefficients, so that a logistic
`Configuration` of the raw features is all that is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.learning.evaluation.design import Design
from detector.learning.regression.fitting import Fit
from detector.learning.regression.logistic import STRENGTHS, Logistic
from detector.learning.search.candidates import Candidate
from detector.mapping.parameters import Clip
from detector.sweep.readings import ArchitectureReadings

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Conclusion:
    """What the choice on all models of one or more architectures ends at.

    Attributes
    ----------
    candidate
        The winner.
    fits
        For each architecture the regression of the raw features.
    useful
        Whether anything beats the base rate: if not, the fits say nothing else.
    candidates, tried
        All of them, and the mean cross-entropy of each on models held out, at its best penalty.
    """

    candidate: Candidate
    fits: tuple[Fit, ...]
    useful: bool
    candidates: tuple[Candidate, ...]
    tried: Array


def conclude(
    readings: Sequence[ArchitectureReadings],
    wanted: Sequence[Candidate],
    others: Sequence[Candidate],
    design: Design,
    clip: Clip,
) -> Conclusion:
    """The best of the `wanted` candidates by pooled logistic regression; the `others` are tried, and not chosen."""
    design = design.with_true_labels_only()
    fitted = Logistic.of(readings, [*wanted, *others], design, clip)
    losses = fitted.inner_losses(np.ones(len(design.labels), dtype=bool))[..., 0].mean(axis=1)
    best = int(losses[: len(wanted) * len(STRENGTHS)].argmin())
    return Conclusion(
        candidate=fitted.candidates[best // len(STRENGTHS)],
        fits=fitted.fits(best),
        useful=STRENGTHS[best % len(STRENGTHS)] < max(STRENGTHS),
        candidates=fitted.candidates,
        tried=losses.reshape(-1, len(STRENGTHS)).min(axis=1),
    )
