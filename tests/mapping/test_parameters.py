"""Learned parameters as data: valid by construction, and the same after a round trip through JSON."""

import dataclasses
import json
import math
from pathlib import Path

import pytest

import detector.mapping
from detector.mapping.parameters import (
    Clip,
    Configuration,
    Figures,
    LearnedParameters,
    MappingKind,
    Provenance,
    from_document,
    to_document,
)
from detector.pruning.theta import LayerRange, PruningMethod, RankingMethod, SamplingMethod, SelectionRule, Theta
from detector.rounds.preprocessing import PROFILES
from detector.signals.features import Reduction
from detector.signals.registry import SIGNALS

SCHEMA = json.loads(Path(detector.mapping.__path__[0], "learned_parameters.schema.json").read_text(encoding="utf-8"))
THETA = Theta(
    PruningMethod.TRIM,
    SamplingMethod.RANDOM,
    RankingMethod.STDEV,
    p=0.25,
    num_pruned_models=3,
    num_images=7,
    trim_k=1.5,
    rule=SelectionRule.NIST,
    seed=11,
    gain=2.5,
    layers=LayerRange.LATE,
)
CONFIGURATION = Configuration(
    (THETA,),
    ("accuracy",),
    Reduction.VARIANTS,
    MappingKind.LOGISTIC,
    0.1,
    (1 / 3, -2e-17, 5.0),
    held_out=Figures(40, 0.2, 0.45, 0.91),
    in_sample=Figures(100, 0.1, 0.3),
)
PARAMETERS = LearnedParameters(
    "resnet18",
    PROFILES["round1"],
    0.52,
    Clip(0.02, 0.97),
    (CONFIGURATION, dataclasses.replace(CONFIGURATION, held_out=None, kind=MappingKind.LINEAR)),
    Provenance("round1", 100, 52, "five-fold cross-validation", "configure", ("a note", "schön")),
)


def test_round_trip_is_exact() -> None:
    assert from_document(json.loads(json.dumps(to_document(PARAMETERS)))) == PARAMETERS


def test_cost_is_the_number_of_forward_passes() -> None:
    assert CONFIGURATION.cost == 21
    assert to_document(PARAMETERS)["configurations"][0]["cost"] == 21


@pytest.mark.parametrize(
    ("where", "vocabulary"),
    [
        (("theta", "pruning_method"), PruningMethod),
        (("theta", "sampling_method"), SamplingMethod),
        (("theta", "ranking_method"), RankingMethod),
        (("theta", "rule"), SelectionRule),
        (("theta", "layers"), LayerRange),
        (("configuration", "reduction"), Reduction),
        (("configuration", "kind"), MappingKind),
    ],
)
def test_the_schema_knows_the_same_words(where: tuple[str, str], vocabulary: type) -> None:
    assert SCHEMA["$defs"][where[0]]["properties"][where[1]]["enum"] == [word.value for word in vocabulary]


def test_the_schema_knows_all_signals() -> None:
    assert SCHEMA["$defs"]["signal"]["enum"] == list(SIGNALS.names())
    assert SCHEMA["$defs"]["configuration"]["properties"]["signals"]["maxItems"] == len(SIGNALS)


def test_a_coefficient_for_each_feature() -> None:
    """3 variants: 2 signals of 3 numbers and 6 statistics of the classifier; reduced, 2 of 4 and the 6."""
    signals = ("margin", "classifier_weights", "accuracy")
    every = dataclasses.replace(CONFIGURATION, signals=signals, coefficients=(1.0,) * 12)
    assert every.features[0] == "margin_00"
    assert every.features[9:] == ("accuracy_00", "accuracy_01", "accuracy_02")
    reduced = dataclasses.replace(every, reduction=Reduction.SUMMARY, coefficients=(1.0,) * 14)
    assert reduced.features[-4:] == ("accuracy_mean", "accuracy_deviation", "accuracy_smallest", "accuracy_largest")
    both = dataclasses.replace(PARAMETERS, configurations=(every, reduced))
    assert from_document(json.loads(json.dumps(to_document(both)))) == both


def test_several_thetas_are_measured_on_the_same_images() -> None:
    """|S| = 3 and 2 of |D| = 7: 5 coefficients, 35 forward passes."""
    other = dataclasses.replace(THETA, num_pruned_models=2)
    both = dataclasses.replace(CONFIGURATION, thetas=(THETA, other), coefficients=(1.0,) * 5)
    assert (both.cost, both.num_images, both.rule) == (35, 7, SelectionRule.NIST)
    assert both.features[2:4] == ("theta00_accuracy_02", "theta01_accuracy_00")
    parameters = dataclasses.replace(PARAMETERS, configurations=(both,))
    assert from_document(json.loads(json.dumps(to_document(parameters)))) == parameters
    for thetas in ((), (THETA, THETA), (THETA, dataclasses.replace(other, num_images=8))):
        with pytest.raises(ValueError, match="thetas"):
            dataclasses.replace(both, thetas=thetas)


@pytest.mark.parametrize("signals", [(), ("accuracy", "accuracy")])
def test_each_signal_once(signals: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="each once"):
        dataclasses.replace(CONFIGURATION, signals=signals)


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.5), (0.9, 0.1), (-0.1, 0.9), (0.1, 1.1), (math.nan, 0.9)])
def test_clip_is_an_interval_of_probabilities(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="clip"):
        Clip(low, high)


@pytest.mark.parametrize("coefficients", [(), (1.0,), (1.0,) * 4, (1.0, math.nan, 1.0), (1.0, math.inf, 1.0)])
def test_coefficients_match_the_signal_and_are_finite(coefficients: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="coefficients"):
        dataclasses.replace(CONFIGURATION, coefficients=coefficients)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "vit_b_16"}, "architectures"),
        ({"configurations": ()}, "configuration"),
        ({"base_rate": 1.5}, "base rate"),
        ({"base_rate": math.nan}, "base rate"),
    ],
)
def test_parameters_are_valid_by_construction(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(PARAMETERS, **change)
