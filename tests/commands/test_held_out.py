"""Held-out answers as `evaluate` keeps its own: facts of the table beside them, and none of an earlier run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detector.commands.held_out import write_held_out
from detector.learning.learned import Learned
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.rounds.reading import Round
from detector.scoring.folder import EvaluationFolder
from detector.sweep.readings import ArchitectureReadings

THETA = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, 3, 10)


@pytest.fixture
def readings(make_readings: Callable[..., ArchitectureReadings]) -> ArchitectureReadings:
    return make_readings("resnet18", 0, [THETA], models=3)


@pytest.fixture
def found(make_member: Callable[..., Path], tmp_path: Path) -> Round:
    for number in range(3):
        make_member(tmp_path / "round7" / f"id-{number:08d}")
    rows = ["model_name,poisoned,trigger_type,number_classes,number_triggered_classes"]
    rows += [f"id-{number:08d},True,polygon,5,{number}" for number in range(3)]
    (tmp_path / "round7" / "METADATA.csv").write_text("\n".join(rows))
    return Round(tmp_path / "round7", "round7", (), ())


def _write(tmp_path: Path, found: Round, readings: ArchitectureReadings, held_out: dict[str, float]) -> Any:
    learned = Learned("resnet18", 3, 1, None, held_out=held_out)
    return write_held_out(tmp_path, found, [readings], [learned], 0.4, "small")


def test_answers_have_verdicts_and_what_the_table_says(
    tmp_path: Path, found: Round, readings: ArchitectureReadings
) -> None:
    folder = _write(tmp_path, found, readings, {"id-00000000": 0.9, "id-00000001": 0.5})
    assert folder == tmp_path / "held_out"
    answers = EvaluationFolder(folder).answers()
    told = {name: (one.probability, one.verdict, one.basis, one.source_classes) for name, one in answers.items()}
    assert told == {
        "id-00000000": (0.9, "poisoned", "measured", ""),
        "id-00000001": (0.5, "undecided", "measured", "1"),
        "id-00000002": (0.4, "not measured", "base_rate", "2"),
    }
    assert [one.truth for one in answers.values()] == [bool(label) for label in readings.poisoned]
    assert {one.trigger_type for one in answers.values()} == {"polygon"}
    assert EvaluationFolder(folder).terms().round == "round7"


def test_older_answers_go(tmp_path: Path, found: Round, readings: ArchitectureReadings) -> None:
    folder = _write(tmp_path, found, readings, {"id-00000000": 0.9})
    (folder / "metrics.json").write_text("of another time")
    _write(tmp_path, found, readings, {"id-00000000": 0.2})
    assert EvaluationFolder(folder).answers()["id-00000000"].probability == 0.2
    assert not (folder / "metrics.json").exists()
    assert _write(tmp_path, found, readings, {}) is None
    assert not list(folder.iterdir())
