"""Learned parameters as data: valid by construction, and the same after a round trip through JSON."""

import dataclasses
import json
import math
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import detector.mapping
from detector.base.errors import ParametersError
from detector.examples.choice import ImageChoice
from detector.mapping.configuration import Clip, Configuration, Figures
from detector.mapping.documents import check_document
from detector.mapping.known import Known
from detector.mapping.logistic import Logistic
from detector.mapping.parameters import LearnedParameters, Provenance, from_document, to_document
from detector.mapping.port import MAPPINGS
from detector.probing import Probe
from detector.pruning.theta import LayerRange, PruningMethod, RankingMethod, SamplingMethod, SelectionRule, Theta
from detector.rounds.preprocessing import PROFILES
from detector.signals.features import STATISTICS, ModelFeature, Reduction, VariantFeature
from detector.signals.registry import SIGNALS, ModelSignal, Scope, VariantSignal
from tests.mapping.format_3 import format_3_document

FOLDER = Path(detector.mapping.__path__[0])
SCHEMA = json.loads((FOLDER / "learned_parameters.schema.json").read_text(encoding="utf-8"))
SCHEMA_3 = json.loads((FOLDER / "learned_parameters_3.schema.json").read_text(encoding="utf-8"))
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


def configured(**changes: Any) -> Configuration:
    """As below, with another thing here or there."""
    arguments: dict[str, Any] = {
        "thetas": (THETA,),
        "signals": ("accuracy",),
        "reduction": Reduction.VARIANTS,
        "kind": "logistic",
        "intercept": 0.1,
        "coefficients": (1 / 3, -2e-17, 5.0),
        "held_out": Figures(40, 0.2, 0.45, 0.91),
        "in_sample": Figures(100, 0.1, 0.3),
    }
    return Configuration.of(**arguments | changes)


CONFIGURATION = configured()
PARAMETERS = LearnedParameters(
    "resnet18",
    PROFILES["round1"],
    0.52,
    Clip(0.02, 0.97),
    (CONFIGURATION, configured(held_out=None, kind="linear")),
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
    ],
)
def test_the_schema_knows_the_same_words(where: tuple[str, str], vocabulary: type[StrEnum]) -> None:
    assert SCHEMA["$defs"][where[0]]["properties"][where[1]]["enum"] == [word.value for word in vocabulary]


def test_the_schema_of_format_3_knows_what_there_was() -> None:
    """Signals that came later are none of its words; those that it has must be known."""
    configuration = SCHEMA_3["$defs"]["configuration"]["properties"]
    assert configuration["reduction"]["enum"] == [word.value for word in Reduction]
    assert set(configuration["kind"]["enum"]) <= set(MAPPINGS.names())
    assert set(SCHEMA_3["$defs"]["signal"]["enum"]) <= set(SIGNALS.names())


def test_the_schema_knows_what_is_made_of_variants() -> None:
    _, word = SCHEMA["$defs"]["variant_feature"]["properties"]["of"]["oneOf"]
    assert word["enum"] == list(STATISTICS)
    assert SCHEMA["$defs"]["configuration"]["properties"]["images"]["properties"]["rule"]["enum"] == list(SelectionRule)


def test_features_say_by_name_what_they_are_made_of() -> None:
    probe = Probe.make("gamma")
    toy = ModelSignal("toy", 2, Scope.PROBE, ("pull", "push"), lambda context: np.zeros(2))
    with SIGNALS.with_entry(toy):
        inputs = (ModelFeature("pull", "toy", "pull"), ModelFeature("classes", "unpruned", "log_classes"))
        mapping = Logistic(0.5, (("classes", 1.0), ("pull", -2.0)))  # in another order
        seen = (("pull", (-1.0, 0.5)),)
        probed = Configuration(ImageChoice(12), (), (probe,), inputs, mapping, experience=seen)
        assert (probed.cost, probed.signals, probed.reduction) == (12, ("toy", "unpruned"), None)
        parameters = dataclasses.replace(PARAMETERS, configurations=(probed,))
        document = json.loads(json.dumps(to_document(parameters)))
        (stored,) = document["configurations"]
        assert stored["signals"] == {"toy": 2, "unpruned": 1}
        assert stored["mapping"] == {
            "name": "logistic", "version": 1, "intercept": 0.5, "coefficients": {"classes": 1.0, "pull": -2.0}
        }  # fmt: skip
        check_document(document, "learned_parameters.schema.json", "here")
        read = from_document(document).configurations[0]
        assert read.mapping.apply({"pull": 1.0, "classes": 3.0}) == mapping.apply({"pull": 1.0, "classes": 3.0})
        assert dataclasses.replace(read, mapping=mapping) == probed
        with pytest.raises(ValueError, match="expected probes"):
            dataclasses.replace(probed, probes=())
        with pytest.raises(ValueError, match="a number of toy"):
            dataclasses.replace(probed, inputs=(ModelFeature("pull", "toy", "shove"),))
        with pytest.raises(ValueError, match="experience"):
            dataclasses.replace(probed, experience=(("push", (0.0, 1.0)),))
    with pytest.raises(ParametersError, match="no signal is called 'toy'"):
        from_document(document)


@pytest.mark.parametrize(("feature", "message"), [
    (VariantFeature("a", "accuracy", 1, 0), "thetas"),
    (VariantFeature("a", "accuracy", 0, 3), "variants"),
    (VariantFeature("a", "unpruned", 0, "mean"), "signal of variants"),
])  # fmt: skip
def test_features_of_variants_that_are_not_measured(feature: VariantFeature, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(CONFIGURATION, inputs=(feature,))


def test_format_3_is_read_to_the_same_numbers() -> None:
    """Coefficients in the order of the features: signal by signal, in each theta by theta."""
    other = dataclasses.replace(THETA, num_pruned_models=2)
    signals = ("attraction", "margin", "unpruned", "classifier_weights")
    made = configured(
        thetas=(THETA, other), signals=signals, reduction=Reduction.MEAN, coefficients=tuple(k / 7 for k in range(23))
    )
    parameters = dataclasses.replace(PARAMETERS, configurations=(made, CONFIGURATION))
    document = json.loads(json.dumps(format_3_document(parameters)))
    check_document(document, "learned_parameters_3.schema.json", "here")
    assert from_document(document) == parameters
    assert made.features[8:10] == ("theta00_margin_mean", "theta01_margin_mean")


def test_a_reordered_registry_changes_nothing_that_was_learned() -> None:
    made = configured(signals=("margin", "accuracy"), coefficients=(1.0, 2.0, 3.0, 4.0, 5.0, 6.0))
    parameters = dataclasses.replace(PARAMETERS, configurations=(made,))
    document = json.loads(json.dumps(to_document(parameters)))
    margin = SIGNALS["margin"]
    with SIGNALS.without_entry("margin"), SIGNALS.with_entry(margin):
        assert SIGNALS.names()[-1] == "margin"
        assert from_document(document) == parameters


@pytest.mark.parametrize("reader", ["to_document", "format_3_document"])
def test_another_version_of_a_signal_is_another_signal(reader: str) -> None:
    document = {"to_document": to_document, "format_3_document": format_3_document}[reader](PARAMETERS)
    newer = VariantSignal("accuracy", 2, lambda answers: answers.logits[:, 0, 0])
    with SIGNALS.without_entry("accuracy"), SIGNALS.with_entry(newer):  # noqa: SIM117
        with pytest.raises(ValueError, match="expected version 2 of the signal 'accuracy', got version 1"):
            from_document(document)


def test_a_coefficient_for_each_feature() -> None:
    """3 variants: 2 signals of 3 numbers and 6 statistics of the classifier; reduced, 2 of 4 and the 6."""
    signals = ("margin", "classifier_weights", "accuracy")
    every = configured(signals=signals, coefficients=(1.0,) * 12)
    assert every.features[0] == "margin_00"
    assert every.features[9:] == ("accuracy_00", "accuracy_01", "accuracy_02")
    reduced = configured(signals=signals, reduction=Reduction.SUMMARY, coefficients=(1.0,) * 14)
    assert reduced.features[-4:] == ("accuracy_mean", "accuracy_deviation", "accuracy_smallest", "accuracy_largest")
    both = dataclasses.replace(PARAMETERS, configurations=(every, reduced))
    assert from_document(json.loads(json.dumps(to_document(both)))) == both


def test_several_thetas_are_measured_on_the_same_images() -> None:
    """|S| = 3 and 2 of |D| = 7: 5 coefficients, 35 forward passes."""
    other = dataclasses.replace(THETA, num_pruned_models=2)
    both = configured(thetas=(THETA, other), coefficients=(1.0,) * 5)
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
        configured(signals=signals)


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.5), (0.9, 0.1), (-0.1, 0.9), (0.1, 1.1), (math.nan, 0.9)])
def test_clip_is_an_interval_of_probabilities(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="clip"):
        Clip(low, high)


@pytest.mark.parametrize("coefficients", [(), (1.0,), (1.0,) * 4, (1.0, math.nan, 1.0), (1.0, math.inf, 1.0)])
def test_coefficients_match_the_signal_and_are_finite(coefficients: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="coefficients"):
        configured(coefficients=coefficients)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "vit_b_16"}, "architectures"),
        ({"configurations": ()}, "configuration"),
        ({"base_rate": 1.5}, "base rate"),
        ({"base_rate": math.nan}, "base rate"),
    ],
)
def test_parameters_are_valid_by_construction(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(PARAMETERS, **change)


KNOWN = (("accuracy_00", Known((0.25, 0.5), (0.75,))),)


def test_known_networks_are_optional_and_survive_a_round_trip() -> None:
    provenance = dataclasses.replace(PARAMETERS.provenance, architectures=("resnet18",))
    told = dataclasses.replace(
        PARAMETERS,
        configurations=(configured(), dataclasses.replace(CONFIGURATION, known=KNOWN)),
        provenance=provenance,
    )
    document = json.loads(json.dumps(to_document(told)))
    check_document(document, "learned_parameters.schema.json", "here")
    assert from_document(document) == told
    bare, full = document["configurations"]
    assert "known" not in bare and full["known"] == {"accuracy_00": {"clean": [0.25, 0.5], "poisoned": [0.75]}}
    assert "architectures" not in to_document(PARAMETERS)["provenance"]  # as bundles of before have it


def test_answers_held_out_are_optional_and_survive_a_round_trip() -> None:
    figures = Figures(3, 0.5, 0.7, 0.5, Known((0.2, 0.25), (0.75,)))
    told = dataclasses.replace(
        PARAMETERS, configurations=(configured(), dataclasses.replace(CONFIGURATION, held_out=figures))
    )
    document = json.loads(json.dumps(to_document(told)))
    check_document(document, "learned_parameters.schema.json", "here")
    assert from_document(document) == told
    bare, full = document["configurations"]
    assert "answers" not in (bare["held_out"] or {})
    assert full["held_out"]["answers"] == {"clean": [0.2, 0.25], "poisoned": [0.75]}


@pytest.mark.parametrize("known", [(("no such feature", Known((), ())),)])
def test_known_networks_of_other_features_are_an_error(known: Any) -> None:
    with pytest.raises(ValueError, match="known networks of the features"):
        dataclasses.replace(CONFIGURATION, known=known)
