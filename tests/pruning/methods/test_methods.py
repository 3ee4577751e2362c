"""The door for pruning methods: what is registered decides, and a method of one class is enough for all of it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator, ValidationError

import detector.mapping
import detector.pruning.methods
import detector.report
from detector.base.errors import ParametersError
from detector.commands.train_settings import load_train_settings
from detector.graph.ir import Node, Op
from detector.graph.reference import reference_graph
from detector.mapping.bundles import Bundle, load_parameters, write_bundle
from detector.mapping.configuration import Clip, Configuration
from detector.mapping.parameters import LearnedParameters, Provenance
from detector.pruning import PruningMethod, RankingMethod, RowPatch, SamplingMethod, Theta, make_variants
from detector.pruning.layers import classifier
from detector.pruning.method import (
    FilterMethod,
    Network,
    Parameter,
    Patches,
    UnsupportedNetworkError,
    find_method,
    methods,
    register,
    registered,
)
from detector.pruning.theta import LayerRange, all_parameters, theta_from_document, theta_schema, theta_to_document
from detector.pruning.variant import Rows
from detector.report.document import to_plain
from detector.rounds.preprocessing import PROFILES
from detector.signals.features import Reduction

HOME = Path(__file__).parents[3]
SHIPPED = ("Remove", "Reset", "Trim", "Amplify", "Stimulate")


class Shrink(FilterMethod):
    """A toy: convolutions' filters lose a part of their weight."""

    name = "Shrink"
    summary = "its weights are multiplied by 1 - loss"
    parameters = (Parameter("loss", 0.5, 0, 1, "How much of the weight goes."),)
    layer_kinds = (Op.CONV,)

    def patches(self, layer: Node, rows: Rows, network: Network, theta: Theta) -> Patches:
        name = f"{layer.module}.weight"
        return (RowPatch(name, rows, network.weights[name][rows] * np.float32(1 - theta.number("loss"))),)


@pytest.fixture
def toy() -> Iterator[Theta]:
    with registered(Shrink()):
        yield Theta(
            "Shrink",
            SamplingMethod.UNIFORM,
            RankingMethod.L2,
            0.1,
            3,
            10,
            layers=LayerRange.LATE,
            own=(("loss", 0.25),),
        )


def test_the_shipped_methods_are_registered() -> None:
    assert tuple(methods()) == SHIPPED == tuple(PruningMethod)
    assert {name: [one.name for one in method.parameters] for name, method in methods().items()} == {
        "Remove": [],
        "Reset": [],
        "Trim": ["trim_k"],
        "Amplify": ["gain"],
        "Stimulate": ["gain"],
    }
    home = Path(detector.pruning.methods.__path__[0])
    assert {file.stem for file in home.glob("*.py")} - {"__init__"} == {name.lower() for name in SHIPPED}
    defaults = {field.name: field.default for field in dataclasses.fields(Theta)}
    assert {name: parameter.default for name, parameter in all_parameters().items()} == {
        name: defaults[name] for name in ("trim_k", "gain")
    }


def test_a_new_method_makes_variants(toy: Theta, random_network: Any, arrays: Any) -> None:
    network, graph = random_network("resnet18"), reference_graph("resnet18")
    weights = arrays(network)
    variants = list(make_variants(weights, graph, toy))
    assert [variant.index for variant in variants] == [0, 1, 2]
    for patch in (patch for variant in variants for patch in variant.patches):
        assert patch.values is not None
        np.testing.assert_array_equal(patch.values, weights[patch.parameter][patch.rows] * np.float32(0.75))
    late = {patch.parameter for patch in variants[0].patches}
    convolutions = {f"{node.module}.weight" for node in graph.layers() if node.op is Op.CONV}
    assert late < convolutions
    assert f"{classifier(graph).module}.weight" not in late
    assert len(late) == len(convolutions) - 2 * len(convolutions) // 3


def test_a_new_method_comes_back_from_json(toy: Theta) -> None:
    document = json.loads(json.dumps(theta_to_document(toy)))
    assert (document["pruning_method"], document["loss"]) == ("Shrink", 0.25)
    assert theta_from_document(document) == toy
    assert hash(theta_from_document(document)) == hash(toy)
    del document["loss"]
    assert theta_from_document(document) == dataclasses.replace(toy, own=(("loss", 0.5),))
    assert to_plain((toy,)) == [theta_to_document(toy)]


def test_the_schema_follows_a_new_method(toy: Theta) -> None:
    document = theta_to_document(toy)
    Draft202012Validator(theta_schema()).validate(document)
    for wrong in ({"loss": 0}, {"loss": 1.5}, {"loss": "much"}, {"pruning_method": "Grow"}, {"gains": 1}):
        with pytest.raises(ValidationError):
            Draft202012Validator(theta_schema()).validate(document | wrong)


def parameters(theta: Theta) -> LearnedParameters:
    numbers = (0.1, 0.2, 0.3)
    configuration = Configuration.of((theta,), ("accuracy",), Reduction.VARIANTS, "linear", 0.0, numbers, None, None)
    provenance = Provenance("toy", 10, 5, "none", "a test")
    return LearnedParameters("resnet18", PROFILES["round1"], 0.5, Clip(), (configuration,), provenance)


def test_a_bundle_holds_a_new_method_and_names_it_when_it_is_gone(tmp_path: Path) -> None:
    with registered(Shrink()):
        theta = Theta("Shrink", SamplingMethod.TARGETED, RankingMethod.L1, 0.1, 3, 10)
        write_bundle(tmp_path, Bundle("toy", "1", "a toy", 0.5), [parameters(theta)])
        read = load_parameters(tmp_path, "toy", "resnet18")
        assert read is not None
        assert read.configurations[0].thetas == (theta,)
        assert theta.numbers() == {"loss": 0.5}
    with pytest.raises(ParametersError, match="Shrink"):
        load_parameters(tmp_path, "toy", "resnet18")


def test_metaparameters_take_a_new_method(toy: Theta, tmp_path: Path) -> None:
    schema = json.loads((HOME / "metaparameters_schema.json").read_text())
    schema["properties"]["train_pruning_method"]["enum"].append("Shrink")
    schema["properties"]["train_loss"] = {"type": "number"}
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    values = json.loads((HOME / "metaparameters.json").read_text())
    changed = values | {"train_pruning_method": "Shrink", "train_loss": 0.125, "train_layers": "early"}
    (tmp_path / "values.json").write_text(json.dumps(changed))
    theta = load_train_settings(tmp_path / "values.json", tmp_path / "schema.json").theta
    assert (theta.pruning_method, theta.numbers(), theta.layers) == ("Shrink", {"loss": 0.125}, LayerRange.EARLY)


def test_an_unknown_method_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"expected a pruning method, one of Remove, .*, got 'Shrink'"):
        Theta("Shrink", SamplingMethod.UNIFORM, RankingMethod.L2, 0.1, 3, 10)
    with pytest.raises(ParametersError, match="no pruning method is called 'Shrink'"):
        find_method("Shrink")
    with registered(Shrink()):
        theta = Theta("Shrink", SamplingMethod.UNIFORM, RankingMethod.L2, 0.1, 3, 10)
    with pytest.raises(ParametersError, match="no pruning method is called 'Shrink'"):
        make_variants({}, reference_graph("resnet18"), theta)


@pytest.mark.parametrize(
    ("own", "message"),
    [((("loss", 0.0),), "0 < loss <= 1"), ((("loss", float("nan")),), "loss"), ((("gains", 1.0),), "gains")],
)
def test_the_numbers_of_a_new_method_are_bounded(own: Any, message: str, toy: Theta) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(toy, own=own)


def test_names_stand_for_one_thing() -> None:
    class Other(Shrink):
        name = "Other"
        parameters = (Parameter("gain", 1.0, 0, 2, "Another gain."),)

    class Nameless(Shrink):
        name = "no name"

    before = tuple(methods())
    for wrong in (Other(), Nameless(), methods()["Reset"]):
        with pytest.raises(ValueError, match="expected a new name"):
            register(wrong)
    assert tuple(methods()) == before


def test_a_method_that_cannot_do_a_network_says_so(toy: Theta) -> None:
    class Picky(Shrink):
        name = "Picky"

        def refusal(self, graph: Any) -> str | None:
            return f"Picky cannot do {graph.nodes[1].module}"

    with registered(Picky()), pytest.raises(UnsupportedNetworkError, match="resnet18: Picky cannot do conv1"):
        make_variants({}, reference_graph("resnet18"), dataclasses.replace(toy, pruning_method="Picky"))


def test_shipped_schemas_hold_the_registered_methods() -> None:
    for package, file in ((detector.mapping, "learned_parameters"), (detector.report, "report")):
        schema = json.loads(Path(package.__path__[0], f"{file}.schema.json").read_text())
        assert schema["$defs"]["theta"] == theta_schema()
    properties = json.loads((HOME / "metaparameters_schema.json").read_text())["properties"]
    assert properties["train_pruning_method"]["enum"] == list(methods())
    assert properties["train_sampling_method"]["enum"] == list(SamplingMethod)
    assert properties["train_ranking_method"]["enum"] == list(RankingMethod)
    assert properties["train_layers"]["enum"] == list(LayerRange)
    for name, parameter in all_parameters().items():
        bounds = properties[f"train_{name}"]
        assert parameter.low < bounds["minimum"] < bounds["maximum"] <= parameter.high
