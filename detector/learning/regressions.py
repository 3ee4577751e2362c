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
from detector.learning.evaluation.metrics import Metrics, judge_alone
from detector.learning.regression.fit import Fit
from detector.learning.search.candidates import Candidate
from detector.learning.search.procedures import CLIP, cheaper_candidates, published_candidates, searched_features
from detector.learning.search.searching import RIDGE_PENALTIES, fit_all
from detector.learning.search.selected import SelectedFit, select
from detector.mapping.configuration import Configuration, Figures
from detector.mapping.parameters import LearnedParameters, Provenance
from detector.rounds.preprocessing import Preprocessing
from detector.sweep.readings import ArchitectureReadings

Array = NDArray[np.float64]

_NOTE = (
    "The cheaper configurations, for short time budgets, are the best of those that take half as long, and so on; they "
    "have no figures of their own."
)


@dataclass(frozen=True)
class Regression:
    """The regression of one architecture, fitted on `num_models` of all of them together.

    `cheaper` holds others for short time budgets, costliest first.
    """

    readings: ArchitectureReadings
    selected: SelectedFit
    fit: Fit
    num_models: int
    cheaper: tuple[Configuration, ...] = ()

    def probabilities(self, readings: ArchitectureReadings) -> Array:
        """What it says of models of this architecture, (M,)."""
        return self.fit.probabilities(self.selected.candidate.features(readings), CLIP)


@dataclass(frozen=True)
class Searched:
    """Everything that ridge regression was tried on, and the squared leave-one-out error of each at best."""

    candidates: tuple[Candidate, ...]
    losses: Array


def search_all(readings: Sequence[ArchitectureReadings], design: Design) -> Searched:
    """All candidates on all models of the design, which the readings are those of."""
    features = searched_features(readings)
    return Searched(features.candidates, fit_all(features, design, RIDGE_PENALTIES).losses[:, 0])


def learn_all(readings: Sequence[ArchitectureReadings], design: Design) -> tuple[Regression, ...]:
    """The published procedure once more, on all models: the regression of each architecture."""
    selected = select(readings, published_candidates(readings), cheaper_candidates(readings), design, CLIP)
    cheaper = [select(readings, [candidate], [], design, CLIP) for candidate in _smaller(selected)]
    return tuple(
        Regression(
            own, selected, selected.fits[number].shortened(), len(design.labels), tuple(_useful(own, number, cheaper))
        )
        for number, own in enumerate(readings)
    )


def _smaller(selected: SelectedFit) -> list[Candidate]:
    """The best of the search that cost half of the winner or less, then half of that or less, and so on."""
    best, found = selected.candidate, list[Candidate]()
    while selected.useful and best.pruned:
        following = selected.best_within(best.cost / 2)
        if following is None:
            break
        best = following
        found.append(best)
    return found


def _useful(own: ArchitectureReadings, number: int, selected: Iterable[SelectedFit]) -> Iterator[Configuration]:
    """The configurations of one architecture, without those that say nothing but the base rate."""
    return (each.candidate.known_to(own, each.fits[number].shortened()) for each in selected if each.useful)


def make_parameters(
    regression: Regression,
    round_name: str,
    preprocessing: Preprocessing,
    held_out: Metrics,
    source: str,
    notes: Sequence[str] = (),
) -> LearnedParameters | None:
    """The parameters of one architecture, with the metrics of the procedure; None if the base rate does as well.

    `source` says by what they were made.
    """
    if not is_useful(regression, held_out):
        return None
    candidate, labels = regression.selected.candidate, regression.readings.poisoned
    in_sample = judge_alone(regression.probabilities(regression.readings), labels, 0)
    best = replace(
        candidate.known_to(regression.readings, regression.fit),
        held_out=_published(held_out),
        in_sample=_published(in_sample),
    )
    return LearnedParameters(
        regression.readings.architecture,
        preprocessing,
        float(labels.mean()),
        CLIP,
        (best, *regression.cheaper),
        _provenance(regression, round_name, held_out, source, notes),
    )


def _pooled_note(regression: Regression) -> tuple[str, ...]:
    own, count = len(regression.readings.names), regression.num_models
    note = f"Fitted together with the models of other architectures, {count} in all, each on its own scale."
    return (note,) if count > own else ()


def is_useful(regression: Regression, held_out: Metrics) -> bool:
    """Whether anything was learned, and does better on models held out than their base rate, which needs no model."""
    return regression.selected.useful and held_out.cross_entropy < held_out.base_rate_cross_entropy


def _published(metrics: Metrics) -> Figures:
    error_rate, cross_entropy = round(metrics.error_rate, 4), round(metrics.cross_entropy, 4)
    return Figures(metrics.num_models, error_rate, cross_entropy, round(metrics.roc_auc, 4), metrics.answers)


def _provenance(
    regression: Regression, round_name: str, held_out: Metrics, source: str, notes: Sequence[str]
) -> Provenance:
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
        num_models=len(regression.readings.names),
        num_poisoned=int(regression.readings.poisoned.sum()),
        evaluation=evaluation,
        source=source,
        notes=(*notes, *_pooled_note(regression), *([_NOTE] if regression.cheaper else [])),
        architectures=(regression.readings.architecture,),
    )
