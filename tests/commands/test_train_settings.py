"""Metaparameters of `configure`: each has its effect, and nothing that cannot be acted on gets through."""

import json
from pathlib import Path
from typing import Any

import pytest

from detector.base.errors import ParametersError
from detector.commands.train_settings import TrainSettings, load_train_settings
from detector.pruning.theta import LayerRange, PruningMethod, RankingMethod, SamplingMethod, SelectionRule, Theta
from detector.rounds.preprocessing import PROFILES
from detector.signals.features import Reduction
from detector.sweep.grids import Grid

HOME = Path(__file__).resolve().parents[2]
SHIPPED = HOME / "metaparameters.json"
SCHEMA = HOME / "metaparameters_schema.json"
TECHNIQUE_TYPES = {"weight analysis", "trigger inversion", "attribution analysis", "jacobian inspection", "other"}


def test_train_settings_are_made_of_every_train_metaparameter(tmp_path: Path) -> None:
    config = tmp_path / "metaparameters.json"
    values = {
        "train_gain": 2.5,
        "train_grid": "paper-round1",
        "train_layers": "middle",
        "train_mapping": "logistic",
        "train_min_models": 12,
        "train_num_images": 20,
        "train_num_pruned_models": 25,
        "train_p": 0.04,
        "train_preprocessing": "round1",
        "train_pruning_method": "Trim",
        "train_ranking_method": "stdev",
        "train_reduction": "summary",
        "train_sampling_method": "Random",
        "train_seed": 7,
        "train_selection_rule": "nist",
        "train_signal_accuracy": False,
        "train_signal_attraction": True,
        "train_signal_classifier_weights": True,
        "train_signal_concentration": False,
        "train_signal_entropy": True,
        "train_signal_log_probability": False,
        "train_signal_lowest_recall": False,
        "train_signal_margin": True,
        "train_signal_own_attraction": False,
        "train_signal_unpruned": False,
        "train_trim_k": 1.5,
    }
    assert {key for key in json.loads(SHIPPED.read_text()) if key.startswith("train_")} == set(values)
    config.write_text(json.dumps(json.loads(SHIPPED.read_text()) | values))
    theta = Theta(
        PruningMethod.TRIM,
        SamplingMethod.RANDOM,
        RankingMethod.STDEV,
        p=0.04,
        num_pruned_models=25,
        num_images=20,
        trim_k=1.5,
        rule=SelectionRule.NIST,
        seed=7,
        gain=2.5,
        layers=LayerRange.MIDDLE,
    )
    signals = ("margin", "entropy", "classifier_weights", "attraction")
    expected = TrainSettings(
        theta, signals, Reduction.SUMMARY, PROFILES["round1"], "logistic", Grid.PAPER_ROUND1, 12, 7
    )
    assert load_train_settings(config, SCHEMA) == expected


def test_every_enumerated_train_metaparameter_is_understood(tmp_path: Path) -> None:
    config, shipped = tmp_path / "metaparameters.json", json.loads(SHIPPED.read_text())
    for name, rule in json.loads(SCHEMA.read_text())["properties"].items():
        for value in rule.get("enum", ()) if name.startswith("train_") else ():
            config.write_text(json.dumps(shipped | {name: value}))
            assert value in str(load_train_settings(config, SCHEMA))


def test_remove_takes_no_part_of_the_layers(tmp_path: Path) -> None:
    config, values = tmp_path / "metaparameters.json", {"train_pruning_method": "Remove", "train_layers": "early"}
    config.write_text(json.dumps(json.loads(SHIPPED.read_text()) | values))
    with pytest.raises(ParametersError, match="all layers with Remove"):
        load_train_settings(config, SCHEMA)


@pytest.mark.parametrize(
    "change",
    [
        {"train_p": 2},
        {"train_mapping": "forest"},
        {"train_preprocessing": "x"},
        {"train_seed": -1},
        {"train_gain": 0},
        {"train_signal_accuracy": False},
    ],
)
def test_train_values_that_an_open_schema_let_through_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    config, schema = tmp_path / "metaparameters.json", tmp_path / "schema.json"
    config.write_text(json.dumps(json.loads(SHIPPED.read_text()) | change))
    schema.write_text("{}")
    with pytest.raises(ParametersError, match="cannot be used"):
        load_train_settings(config, schema)
