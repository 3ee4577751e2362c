"""The default bundle: for each architecture its own regression or the pooled one, whichever did better inside.

And what this bundle says of another round, which nothing was fitted on. An architecture of which nothing beats the
base rate gets no parameters: it is answered with the base rate, and not measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detector.configure.concluding import Conclusion, conclude
from detector.configure.design import Design
from detector.configure.figures import Judgement, judge, permuted_p_value
from detector.configure.fitting import Fit
from detector.configure.readings import ArchitectureReadings
from detector.examples.preprocessing import PROFILES
from detector.mapping.bundles import Bundle
from detector.mapping.parameters import Configuration, Figures, LearnedParameters, Provenance
from detector.results.procedures import CLIP, Family, Scope, families, search_bank

Array = NDArray[np.float64]

_DIGITS = 6  # significant ones of coefficients: the last of all differ between machines


@dataclass(frozen=True)
class Learned:
    """The regression of one architecture."""

    readings: ArchitectureReadings
    family: Family
    scope: Scope
    conclusion: Conclusion
    fit: Fit

    def probabilities(self, readings: ArchitectureReadings) -> Array:
        """What it says of models of this architecture, (M,)."""
        return self.fit.probabilities(self.conclusion.candidate.features(readings), CLIP)


@dataclass(frozen=True)
class Searches:
    """The searches over everything, pooled and of each architecture."""

    pooled: Conclusion
    own: tuple[Conclusion, ...]


def learn_all(readings: Sequence[ArchitectureReadings], design: Design) -> tuple[Searches, tuple[Learned, ...]]:
    """Search once more, on all models: what was tried, and the regression of each architecture."""
    pooled = _conclusions(readings, design)
    own = [_conclusions([one], design.of(number)) for number, one in enumerate(readings)]
    searches = Searches(pooled[Family.EVERYTHING], tuple(one[Family.EVERYTHING] for one in own))
    return searches, tuple(_learned(one, number, own[number], pooled) for number, one in enumerate(readings))


def _conclusions(readings: Sequence[ArchitectureReadings], design: Design) -> dict[str, Conclusion]:
    bank = search_bank(readings)
    return conclude(bank, readings, design, families(bank), CLIP)


def _learned(
    readings: ArchitectureReadings, number: int, own: Mapping[str, Conclusion], pooled: Mapping[str, Conclusion]
) -> Learned:
    """Of all families and both scopes the one that is best calibrated inside; the first of equals, as in the folds."""
    options = []
    for name in own:
        for scope, conclusion, place in ((Scope.ALONE, own[name], 0), (Scope.POOLED, pooled[name], number)):
            learned = Learned(readings, Family(name), scope, conclusion, _rounded(conclusion.fits[place]))
            options.append((conclusion.inner_losses[place], learned))
    return min(options, key=lambda option: option[0])[1]


def _rounded(fit: Fit) -> Fit:
    coefficients = tuple(float(f"{value:.{_DIGITS}g}") for value in fit.coefficients)
    return replace(fit, intercept=float(f"{fit.intercept:.{_DIGITS}g}"), coefficients=coefficients)


def judge_unseen(learned: Sequence[Learned], unseen: Sequence[ArchitectureReadings], seed: int) -> Unseen | None:
    """What the regressions say of models of a round that they were not fitted on; None if there are none."""
    own = {one.readings.architecture: one for one in learned}
    known = [one for one in unseen if one.architecture in own]
    if not known:
        return None
    answers = np.concatenate([own[one.architecture].probabilities(one) for one in known])
    labels = np.concatenate([one.poisoned for one in known])
    groups = np.repeat(np.arange(len(known)), [len(one.poisoned) for one in known])
    p_value = permuted_p_value(answers, labels, groups, np.random.default_rng(seed))
    return Unseen(judge(answers[None, :, None], labels[:, None], seed), p_value)


@dataclass(frozen=True)
class Unseen:
    """Figures of a fixed mapping; `p_value` of its ROC-AUC, labels shuffled within architectures."""

    judgement: Judgement
    p_value: float


def make_bundle(name: str, round_name: str, learned: Sequence[Learned]) -> Bundle:
    """The bundle's own file."""
    models = [one.readings.poisoned for one in learned]
    architectures = ", ".join(one.readings.architecture for one in learned)
    description = (
        f"Learned from {sum(map(len, models))} models of the generated round {round_name} ({architectures}) by the "
        "search that docs/results.md describes and judges."
    )
    return Bundle(name, "1", description, float(np.concatenate(models).mean()))


def make_parameters(one: Learned, round_name: str, profile: str, held_out: Judgement) -> LearnedParameters | None:
    """The parameters of one architecture, with the figures of the procedure; None if the base rate is all there is."""
    if not one.conclusion.useful:
        return None
    candidate, labels = one.conclusion.candidate, one.readings.poisoned
    fitted = judge(one.probabilities(one.readings)[None, :, None], labels[:, None], 0)
    configuration = Configuration(
        candidate.theta,
        candidate.signals,
        candidate.reduction,
        one.fit.kind,
        one.fit.intercept,
        one.fit.coefficients,
        held_out=_published(held_out),
        in_sample=_published(fitted),
    )
    return LearnedParameters(
        one.readings.architecture,
        PROFILES[profile],
        float(labels.mean()),
        CLIP,
        (configuration,),
        _provenance(one, round_name, held_out),
    )


def _published(judgement: Judgement) -> Figures:
    figures = judgement.figures
    auc = None if figures.roc_auc is None else round(figures.roc_auc, 4)
    return Figures(figures.num_models, round(figures.error_rate, 4), round(figures.cross_entropy, 4), auc)


def _provenance(one: Learned, round_name: str, held_out: Judgement) -> Provenance:
    chance = held_out.chance
    assert chance is not None  # the published procedure is permuted
    evaluation = (
        "Held out: repeated nested cross-validation of the whole search, of theta, signals, penalty and calibration; "
        f"the 95 % interval of the cross-entropy is +- {held_out.half_width:.3f}, that of the ROC-AUC "
        f"{held_out.auc_interval[0]:.3f} to {held_out.auc_interval[1]:.3f}. Under {chance.permutations} permutations "
        f"of the labels the same procedure has a mean ROC-AUC of {chance.roc_auc:.3f}; p = {chance.p_roc_auc:.3f}. "
        "In-sample: on the very models of the fit."
    )
    return Provenance(
        round=round_name,
        num_models=len(one.readings.names),
        num_poisoned=int(one.readings.poisoned.sum()),
        evaluation=evaluation,
        source=f"python -m detector.results, ridge regression {one.scope}, calibrated",
    )
