"""The metaparameters of `configure`: how to measure, what to fit, and from how many models on.

Apart from those of `infer`, which needs nothing that learns or sweeps.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detector.commands.settings import load_checked
from detector.learning.regression.fit import FitMethod
from detector.pruning.theta import LayerRange, PruningMethod, RankingMethod, SamplingMethod, SelectionRule, Theta
from detector.rounds.preprocessing import PROFILES, Preprocessing
from detector.signals.features import Reduction
from detector.signals.signals import Signal
from detector.sweep.grids import Grid


@dataclass(frozen=True)
class TrainSettings:
    """What metaparameters.json says about `configure`: how to measure, what to fit, and from how many models on."""

    theta: Theta
    signals: tuple[Signal, ...]
    reduction: Reduction
    preprocessing: Preprocessing
    fit_method: FitMethod
    grid: Grid
    min_models: int
    seed: int


def load_train_settings(metaparameters_filepath: Path, schema_filepath: Path) -> TrainSettings:
    """`load_settings` for the command `configure`."""
    return load_checked(metaparameters_filepath, schema_filepath, _train_settings)


def _train_settings(values: dict[str, Any]) -> TrainSettings:
    preprocessing, seed = values["train_preprocessing"], int(values["train_seed"])
    if preprocessing not in PROFILES:
        raise ValueError(f"no preprocessing is called {preprocessing!r}")
    theta = Theta(
        pruning_method=PruningMethod(values["train_pruning_method"]),
        sampling_method=SamplingMethod(values["train_sampling_method"]),
        ranking_method=RankingMethod(values["train_ranking_method"]),
        p=float(values["train_p"]),
        num_pruned_models=int(values["train_num_pruned_models"]),
        num_images=int(values["train_num_images"]),
        trim_k=float(values["train_trim_k"]),
        rule=SelectionRule(values["train_selection_rule"]),
        seed=seed,
        gain=float(values["train_gain"]),
        layers=LayerRange(values["train_layers"]),
    )
    # A switch for each: NIST's checker of metaparameters takes no lists of words.
    signals = tuple(signal for signal in Signal if values[f"train_signal_{signal}"])
    if not signals:
        raise ValueError("no signal is switched on")
    return TrainSettings(
        theta=theta,
        signals=signals,
        reduction=Reduction(values["train_reduction"]),
        preprocessing=PROFILES[preprocessing],
        fit_method=FitMethod(values["train_mapping"]),
        grid=Grid(values["train_grid"]),
        min_models=int(values["train_min_models"]),
        seed=seed,
    )
