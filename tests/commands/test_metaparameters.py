"""The schema of the metaparameters follows from what is registered; the shipped files are what is made."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import jsonschema
import numpy as np
import pytest

from detector.commands.__main__ import made_files, main
from detector.commands.metaparameters import completed, schema_document
from detector.commands.train_settings import load_train_settings
from detector.graph.ir import Node
from detector.mapping.port import MAPPINGS, MappingType
from detector.mapping.weighted_sum import WeightedSum
from detector.pruning.method import FilterMethod, Network, Parameter, Patches, registered
from detector.pruning.theta import Theta
from detector.pruning.variant import Rows
from detector.signals.registry import SIGNALS, ModelSignal, Scope, VariantSignal

HOME = Path(__file__).resolve().parents[2]
NAMES = ("metaparameters.json", "metaparameters_schema.json")
BUNDLES = ("first", "second")


class Melt(FilterMethod):
    name = "Melt"
    summary = "it goes soft"
    parameters = (Parameter("heat", 200.0, 100.0, 900.0, "How hot.", usual=(150, 300)),)

    def patches(self, layer: Node, rows: Rows, network: Network, theta: Theta) -> Patches:
        return ()


@dataclass(frozen=True)
class Flat(WeightedSum):
    name: ClassVar[str] = "flat"
    version: ClassVar[int] = 1

    def link(self, raw: float) -> float:
        return 0.5


TOY_SIGNALS = (
    VariantSignal("height", 1, lambda answers: answers.logits[:, 0, 0], description="how high it is"),
    VariantSignal("depth", 1, lambda answers: answers.logits[:, 0, 0], relative=False),
    ModelSignal("width", 1, Scope.NETWORK, ("only",), lambda context: np.zeros(1), "how wide it is"),
    ModelSignal("told", 1, Scope.PROBE, ("only",), lambda context: np.zeros(1)),
)


@pytest.fixture
def toys() -> Iterator[None]:
    with ExitStack() as stack:
        stack.enter_context(registered(Melt()))
        stack.enter_context(
            MAPPINGS.with_entry(MappingType(Flat, lambda names, *_: Flat.of(0, names, [0] * len(names))))
        )
        for signal in TOY_SIGNALS:
            stack.enter_context(SIGNALS.with_entry(signal))
        yield


def shipped() -> tuple[dict[str, Any], dict[str, Any]]:
    values, schema = (json.loads((HOME / name).read_text()) for name in NAMES)
    return values, schema


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in NAMES:
        shutil.copy(HOME / name, tmp_path)
    (tmp_path / "learned_params").symlink_to(HOME / "learned_params")
    return tmp_path


def test_the_shipped_files_are_what_is_made() -> None:
    for name, text in made_files(HOME).items():
        assert (HOME / name).read_text(encoding="utf-8") == text, "run `make schema`"


@pytest.mark.usefixtures("toys")
def test_toys_are_in_the_schema_with_their_own_words() -> None:
    rules = schema_document({}, BUNDLES)["properties"]
    assert "Melt" in rules["train_pruning_method"]["enum"]
    assert "Melt: it goes soft" in rules["train_pruning_method"]["description"]
    assert rules["train_mapping"]["enum"] == ["ols", "ridge", "logistic", "flat"]
    heat = rules["train_heat"]
    assert (heat["type"], heat["maximum"], heat["suggested_minimum"], heat["suggested_maximum"]) == (
        "number",
        900,
        150,
        300,
    )
    assert 100 < heat["minimum"] < 101
    assert heat["description"].startswith("How hot.")
    told = {name: rules[f"train_signal_{name}"]["description"] for name in ("height", "depth", "width")}
    assert told == {
        "height": "Whether the regression sees, of each pruned model, how high it is, against the unpruned network.",
        "depth": "Whether the regression sees, of each pruned model, the signal depth.",
        "width": "Whether the regression sees how wide it is.",
    }
    assert "train_signal_told" not in rules  # configure with theta given takes no probes
    assert rules["infer_bundle"]["enum"] == ["first", "second"]


@pytest.mark.usefixtures("toys")
def test_make_schema_is_all_that_new_entries_need(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", str(copy)]) == 1
    assert main(["--write", str(copy)]) == 0
    assert capsys.readouterr().out.count("written") == 2
    assert main(["--check", str(copy)]) == 0
    values, schema = (json.loads((copy / name).read_text()) for name in NAMES)
    assert set(schema["required"]) == set(schema["properties"]) == set(values)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(values, schema)
    before, _ = shipped()
    assert {key: values[key] for key in before} == before
    assert {key: values[key] for key in values.keys() - before.keys()} == {
        "train_heat": 200.0,
        "train_signal_height": False,
        "train_signal_depth": False,
        "train_signal_width": False,
    }
    changes = [("train_pruning_method", "Melt"), ("train_heat", "300"), ("train_mapping", "flat")]
    settings = load_train_settings(copy / NAMES[0], copy / NAMES[1], [*changes, ("train_signal_depth", "true")])
    assert (settings.theta.numbers(), settings.fitting) == ({"heat": 300.0}, "flat")
    assert "depth" in settings.signals


def test_the_words_of_who_submits_stay_and_what_is_gone_goes(copy: Path) -> None:
    values, schema = shipped()
    schema |= {"technique_changes": "mine", "team": "us", "properties": {"train_heat": {"type": "number"}}}
    (copy / NAMES[0]).write_text(json.dumps(values | {"train_heat": 3, "infer_threads": 2}))
    (copy / NAMES[1]).write_text(json.dumps(schema))
    assert main(["--write", str(copy)]) == 0
    again = json.loads((copy / NAMES[1]).read_text())
    assert (again["technique_changes"], again["team"]) == ("mine", "us")
    assert again["properties"] == shipped()[1]["properties"]
    assert json.loads((copy / NAMES[0]).read_text()) == values | {"infer_threads": 2}


def test_a_value_that_nothing_says_is_missed() -> None:
    values, _ = shipped()
    with pytest.raises(KeyError, match="train_seed"):
        completed({key: value for key, value in values.items() if key != "train_seed"}, BUNDLES)
