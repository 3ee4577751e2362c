"""Mappings that fit themselves: found by name, fitted on the models of a fold alone, and judged as all others are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from detector.base.errors import ParametersError
from detector.learning.fitting import CLIP, OwnFit, fittings
from detector.learning.given import GivenTheta, learn
from detector.learning.search.candidates import Candidate
from detector.learning.study import Study
from detector.mapping.parameters import from_document, to_document
from detector.mapping.port import MAPPINGS, Applied, FittedMapping, MappingType
from detector.mapping.predict import predict
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.rounds.preprocessing import PROFILES
from detector.signals.features import Reduction
from detector.sweep.readings import ArchitectureReadings

Make = Callable[..., ArchitectureReadings]

THETA = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, 3, 10)
STUDY = Study(PROFILES["small"], 8, seed=0, round_name="by hand", repeats=2, permutations=4)
GIVEN = GivenTheta(THETA, ("margin",), Reduction.MEAN, "nearest", STUDY)
REGRESSIONS = ("ols", "ridge", "logistic")


@dataclass(frozen=True)
class Nearest(FittedMapping):
    """The share of poisoned ones among the three known networks whose feature is nearest; no weighted sum."""

    feature: str
    known: tuple[tuple[float, int], ...]
    name: ClassVar[str] = "nearest"
    version: ClassVar[int] = 1

    def apply(self, features: Mapping[str, float]) -> Applied:
        near = sorted(self.known, key=lambda one: abs(one[0] - features[self.feature]))[:3]
        share = sum(label for _, label in near) / 3
        return Applied(share, share, 0.0, {})

    def fields(self) -> dict[str, Any]:
        return {"feature": self.feature, "known": [list(one) for one in self.known]}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any], features: Sequence[str]) -> Nearest:
        return cls(fields["feature"], tuple((value, label) for value, label in fields["known"]))


def fit(names: Sequence[str], features: np.ndarray, labels: np.ndarray) -> Nearest:
    return Nearest(names[0], tuple(zip(features[:, 0].tolist(), labels.tolist(), strict=True)))


@pytest.fixture
def readings(make_readings: Make) -> ArchitectureReadings:
    made = make_readings("resnet18", 0, (THETA,), models=12)
    return replace(made, poisoned=np.array([0, 1] * 6))


@pytest.fixture
def nearest() -> Iterator[None]:
    with MAPPINGS.with_entry(MappingType(Nearest, fit)):
        yield


def test_regressions_are_always_there_and_a_mapping_only_where_it_says_how() -> None:
    assert fittings().names() == REGRESSIONS
    with MAPPINGS.with_entry(MappingType(Nearest)):
        assert fittings().names() == REGRESSIONS
    with MAPPINGS.with_entry(MappingType(Nearest, fit)):
        assert fittings().names() == (*REGRESSIONS, "nearest")
    with pytest.raises(ParametersError, match="no fitting is called 'nearest'"):
        fittings()["nearest"]


@pytest.mark.usefixtures("nearest")
def test_every_model_is_judged_by_a_fit_of_the_other_folds(readings: ArchitectureReadings) -> None:
    design, candidate = STUDY.design([readings]), GIVEN.candidate
    made, answers = fittings()["nearest"].fit(readings, candidate, design)
    values = candidate.features(readings)[:, 0]
    assert answers.shape == (2, 12, 5)
    for repeat, column in np.ndindex(2, 5):
        for model in range(12):
            others = np.flatnonzero(design.folds.numbers[repeat] != design.folds.numbers[repeat, model])
            near = others[np.argsort(np.abs(values[others] - values[model]))[:3]]
            share = design.labels[near, column].mean()
            assert answers[repeat, model, column] == pytest.approx(np.clip(share, CLIP.low, CLIP.high))
    everyone = made.probabilities(values[:, None], CLIP)
    by_hand = [readings.poisoned[np.argsort(np.abs(values - value))[:3]].mean() for value in values]
    np.testing.assert_allclose(everyone, np.clip(by_hand, CLIP.low, CLIP.high))


@pytest.mark.usefixtures("nearest")
def test_what_is_learned_is_stored_and_answers_again(readings: ArchitectureReadings) -> None:
    (one,) = learn([readings], GIVEN)
    assert one.parameters is not None
    again = from_document(to_document(one.parameters))
    assert again == one.parameters
    (configuration,) = again.configurations
    assert isinstance(configuration.mapping, Nearest)
    assert configuration.held_out is not None and configuration.held_out.num_models == 12
    assert "repeated 2 times, the nearest fit inside the fold" in again.provenance.evaluation
    assert ", nearest on given theta" in again.provenance.source
    vectors = GIVEN.candidate.features(readings)
    answers = [predict(configuration, vector.tolist(), CLIP).probability for vector in vectors]
    losses = np.where(readings.poisoned == 1, -np.log(answers), -np.log1p(-np.array(answers)))
    assert configuration.in_sample is not None
    assert configuration.in_sample.cross_entropy == pytest.approx(losses.mean(), abs=1e-4)


def test_answers_that_are_no_numbers_are_an_error(readings: ArchitectureReadings) -> None:
    @dataclass(frozen=True)
    class Lost(Nearest):
        name: ClassVar[str] = "lost"

        def apply(self, features: Mapping[str, float]) -> Applied:
            return Applied(float("nan"), 0.0, 0.0, {})

    def fit_lost(names: Sequence[str], features: np.ndarray, labels: np.ndarray) -> Lost:
        return Lost(names[0], ())

    with MAPPINGS.with_entry(MappingType(Lost, fit_lost)), pytest.raises(ParametersError, match="'lost' answers nan"):
        learn([readings], replace(GIVEN, fitting="lost"))


def test_a_fit_belongs_to_its_features() -> None:
    made = OwnFit(("a",), Nearest("a", ()))
    assert made.mapping(["a"]) == Nearest("a", ())
    with pytest.raises(ValueError, match="the features of the fit"):
        made.mapping(["b"])


def test_a_candidate_names_its_features() -> None:
    candidate = Candidate((THETA,), ("margin", "accuracy"), Reduction.VARIANTS)
    names = [feature.name for feature in candidate.inputs]
    assert names == [f"{signal}_{number:02d}" for signal in ("margin", "accuracy") for number in range(3)]
