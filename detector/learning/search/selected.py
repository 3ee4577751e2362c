"""The fit that goes into a bundle: the published procedure once more, on all models.

The same that the nested cross-validation judges. Standardisation is folded into the coefficients, so that a logistic
`Configuration` of the raw features is all that is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.learning.evaluation.design import Design
from detector.learning.evaluation.nested import best_options
from detector.learning.evaluation.rounding import rounded
from detector.learning.regression.fit import Fit
from detector.learning.search.candidates import Candidate
from detector.learning.search.logistic import PENALTIES, LogisticSearch
from detector.mapping.configuration import Clip
from detector.sweep.readings import ArchitectureReadings

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SelectedFit:
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

    def best_within(self, cost: float) -> Candidate | None:
        """Of all candidates that measure variants, and cost no more, the best; None if there are none."""
        losses = rounded(self.tried).tolist()
        measured = [
            (loss, number)
            for number, (loss, candidate) in enumerate(zip(losses, self.candidates, strict=True))
            if candidate.pruned and candidate.cost <= cost
        ]
        return self.candidates[min(measured)[1]] if measured else None


def select(
    readings: Sequence[ArchitectureReadings],
    wanted: Sequence[Candidate],
    others: Sequence[Candidate],
    design: Design,
    clip: Clip,
) -> SelectedFit:
    """The best of the `wanted` candidates by pooled logistic regression; the `others` are tried, and not chosen."""
    design = design.with_true_labels_only()
    search = LogisticSearch.of(readings, [*wanted, *others], design, clip)
    losses = search.inner_losses(np.ones(len(design.labels), dtype=bool)).mean(axis=1)
    best = int(best_options(losses[: len(wanted) * len(PENALTIES)])[0])
    return SelectedFit(
        candidate=search.candidates[best // len(PENALTIES)],
        fits=search.fits(best),
        useful=PENALTIES[best % len(PENALTIES)] < max(PENALTIES),
        candidates=search.candidates,
        tried=losses.reshape(-1, len(PENALTIES)).min(axis=1),
    )
