"""The metaparameters of `configure`: how to measure, what to fit, and from how many models on.

Apart from those of `infer`, which needs nothing that learns or sweeps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detector.commands.settings import load_checked
from detector.learning.fitting import fittings
from detector.pruning.theta import THETA_KEYS, Theta, all_parameters, theta_from_document
from detector.rounds.preprocessing import PROFILES, Preprocessing
from detector.signals.features import Reduction
from detector.signals.registry import without_probes
from detector.sweep.grids import Grid


@dataclass(frozen=True)
class TrainSettings:
    """What metaparameters.json says about `configure`: how to measure, what to fit, and from how many models on."""

    theta: Theta
    signals: tuple[str, ...]
    reduction: Reduction
    preprocessing: Preprocessing
    fitting: str
    grid: Grid
    min_models: int
    seed: int


def load_train_settings(
    metaparameters_filepath: Path, schema_filepath: Path, changes: Sequence[tuple[str, str]] = ()
) -> TrainSettings:
    """`load_settings` for the command `configure`."""
    return load_checked(metaparameters_filepath, schema_filepath, _train_settings, changes)


def _train_settings(values: dict[str, Any]) -> TrainSettings:
    preprocessing, seed = values["train_preprocessing"], int(values["train_seed"])
    if preprocessing not in PROFILES:
        raise ValueError(f"no preprocessing is called {preprocessing!r}")
    fitting = str(values["train_mapping"])
    if fitting not in fittings():
        raise ValueError(f"no way of fitting is called {fitting!r}")
    theta = theta_from_document(_theta_document(values))
    # A switch for each: NIST's checker of metaparameters takes no lists of words.
    signals = tuple(signal for signal in without_probes() if values[f"train_signal_{signal}"])
    if not signals:
        raise ValueError("no signal is switched on")
    return TrainSettings(
        theta=theta,
        signals=signals,
        reduction=Reduction(values["train_reduction"]),
        preprocessing=PROFILES[preprocessing],
        fitting=fitting,
        grid=Grid(values["train_grid"]),
        min_models=int(values["train_min_models"]),
        seed=seed,
    )


def _theta_document(values: dict[str, Any]) -> dict[str, Any]:
    """The theta that the keys train_... describe; what a method added to the detector has of its own may be absent."""
    own = [name for name in all_parameters() if f"train_{name}" in values]
    named = {name: values[f"train_{name}"] for name in (*THETA_KEYS, *own) if name != "rule"}
    return named | {"rule": values["train_selection_rule"]}
