"""What a bundle is made of: the pooled regression of the published procedure, with the scale of each architecture.

Behind the best configuration stand cheaper ones, for short time budgets. An architecture whose models, held out, are
answered no better than by the base rate gets no parameters: it is answered with the base rate, and not measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detector.learning.evaluation.design import Design
from detector.learning.evaluation.metrics import Metrics, judge
from detector.learning.regression.fitting import Fit
from detector.learning.search.candidates import Candidate
from detector.learning.search.concluding import Conclusion, conclude
from detector.learning.search.procedures import CLIP, cheaper_candidates, published_candidates, search_bank
from detector.learning.search.searching import RIDGE_STRENGTHS, Fits
from detector.mapping.parameters import Configuration, Figures, LearnedParameters, Provenance
from detector.rounds.preprocessing import Preprocessing
from detector.sweep.readings import ArchitectureReadings

Array = NDArray[np.float64]

_NOTE = (
    "The cheaper configurations, for short time budgets, are the best of those that take half as long, and so on; they "
    "have no figures of their own."
)
_DIGITS = 6  # significant ones of coefficients: the last of all differ between machines


@dataclass(frozen=True)
class Regression:
    """The regression of one architecture, fitted on `num_models` of all of them together.

    `cheaper` holds others for short time budgets, costliest first.
    """

    readings: ArchitectureReadings
    conclusion: Conclusion
    fit: Fit
    num_models: int
    cheaper: tuple[Configuration, ...] = ()

    def probabilities(self, readings: ArchitectureReadings) -> Array:
        """What it says of models of this architecture, (M,)."""
        return self.fit.probabilities(self.conclusion.candidate.features(readings), CLIP)


@dataclass(frozen=True)
class Searched:
    """Everything that ridge regression was tried on, and the squared leave-one-out error of each at best."""

    candidates: tuple[Candidate, ...]
    losses: Array


def search_all(readings: Sequence[ArchitectureReadings], design: Design) -> Searched:
    """All candidates on all models of the design, which the readings are those of."""
    bank, everyone = search_bank(readings), np.arange(len(design.labels))
    nobody = np.zeros(1, dtype=np.int64)  # nobody is judged
    fits = Fits.of(bank, design.architecture, design.labels[:, :1], everyone, nobody, RIDGE_STRENGTHS)
    return Searched(bank.candidates, fits.losses[:, 0])


def learn_all(readings: Sequence[ArchitectureReadings], design: Design) -> tuple[Regression, ...]:
    """The published procedure once more, on all models: the regression of each architecture."""
    others = cheaper_candidates(readings)
    conclusion = conclude(readings, published_candidates(readings), others, design, CLIP)
    cheaper = [_refitted(candidate, readings, design) for candidate in _smaller(conclusion)]
    return tuple(
        Regression(one, conclusion, _rounded(conclusion.fits[number]), len(design.labels), tuple(_of(number, cheaper)))
        for number, one in enumerate(readings)
    )


def _rounded(fit: Fit) -> Fit:
    coefficients = tuple(float(f"{value:.{_DIGITS}g}") for value in fit.coefficients)
    return replace(fit, intercept=float(f"{fit.intercept:.{_DIGITS}g}"), coefficients=coefficients)


def _smaller(conclusion: Conclusion) -> list[Candidate]:
    """The best of the search that cost half of the winner or less, then half of that or less, and so on."""
    best, found = conclusion.candidate, list[Candidate]()
    measured = [one for one in zip(conclusion.tried, conclusion.candidates, strict=True) if one[1].pruned]
    while conclusion.useful and best.pruned:
        measured = [(loss, one) for loss, one in measured if one.cost <= best.cost / 2]
        if not measured:
            break
        best = min(measured, key=lambda one: one[0])[1]
        found.append(best)
    return found


def _refitted(candidate: Candidate, readings: Sequence[ArchitectureReadings], design: Design) -> Conclusion:
    return conclude(readings, [candidate], [], design, CLIP)


def _of(number: int, conclusions: Iterable[Conclusion]) -> Iterator[Configuration]:
    """The configurations of one architecture, without those that say nothing but the base rate."""
    return (one.candidate.configuration(_rounded(one.fits[number])) for one in conclusions if one.useful)


def make_parameters(
    one: Regression, round_name: str, preprocessing: Preprocessing, held_out: Metrics, notes: Sequence[str] = ()
) -> LearnedParameters | None:
    """The parameters of one architecture, with the figures of the procedure; None if the base rate does as well."""
    if not is_useful(one, held_out):
        return None
    candidate, labels = one.conclusion.candidate, one.readings.poisoned
    fitted = judge(one.probabilities(one.readings)[None, :, None], labels[:, None], 0)
    best = replace(candidate.configuration(one.fit), held_out=_published(held_out), in_sample=_published(fitted))
    return LearnedParameters(
        one.readings.architecture,
        preprocessing,
        float(labels.mean()),
        CLIP,
        (best, *one.cheaper),
        _provenance(one, round_name, held_out, notes),
    )


def _pooled_note(one: Regression) -> tuple[str, ...]:
    own = len(one.readings.names)
    note = f"Fitted together with the models of other architectures, {one.num_models} in all, each on its own scale."
    return (note,) if one.num_models > own else ()


def is_useful(one: Regression, held_out: Metrics) -> bool:
    """Whether anything was learned, and does better on models held out than their base rate, which needs no model."""
    return one.conclusion.useful and held_out.cross_entropy < held_out.base_rate_cross_entropy


def _published(judgement: Metrics) -> Figures:
    figures = judgement.stored
    auc = None if figures.roc_auc is None else round(figures.roc_auc, 4)
    return Figures(figures.num_models, round(figures.error_rate, 4), round(figures.cross_entropy, 4), auc)


def _provenance(one: Regression, round_name: str, held_out: Metrics, notes: Sequence[str]) -> Provenance:
    chance = held_out.chance
    assert chance is not None  # the published procedure is permuted
    evaluation = (
        "Held out: repeated nested cross-validation of all that is learned, the choice of signals and penalty "
        "included; the 95 % interval of the cross-entropy is "
        f"+- {held_out.half_width:.3f}, that of the ROC-AUC {held_out.auc_interval[0]:.3f} to "
        f"{held_out.auc_interval[1]:.3f}. Under {chance.permutations} permutations "
        f"of the labels the same procedure has a mean ROC-AUC of {chance.roc_auc:.3f}; p = {chance.p_roc_auc:.3f}. "
        "In-sample: on the very models of the fit."
    )
    return Provenance(
        round=round_name,
        num_models=len(one.readings.names),
        num_poisoned=int(one.readings.poisoned.sum()),
        evaluation=evaluation,
        source="python -m laboratory.results, L2 logistic regression, architectures pooled",
        notes=(*notes, *_pooled_note(one), *([_NOTE] if one.cheaper else [])),
    )
