"""Whole rounds: readings by architecture, the same whatever the number of processes, and what becomes of the rest."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from detector.base.clock import SystemClock
from detector.base.workers import Workers
from detector.examples.choice import ImageChoice
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.quality.checked_model import CheckedModel
from detector.rounds.preprocessing import PROFILES
from detector.rounds.reading import LeftOut, read_round
from detector.sandbox.sandbox import Sandbox
from detector.signals.attraction import ATTRACTION_STATISTICS
from detector.signals.registry import per_variant
from detector.signals.unpruned import UNPRUNED_STATISTICS
from detector.sweep.store import Store
from detector.sweep.sweeping import Sweep
from detector.sweep.workers import MeasuredRound, measure_round

THETAS = tuple(
    Theta(method, SamplingMethod.TARGETED, RankingMethod.L1, 0.3, 2, 2)
    for method in (PruningMethod.RESET, PruningMethod.TRIM)
)
SWEEP = Sweep(THETAS, PROFILES["rgb_minmax"])
HOME = Path(__file__).resolve().parents[2]


def measured(folder: Path, scratch: Path | None = None, workers: int = 1) -> MeasuredRound:
    return measure_round(read_round(folder).models, SWEEP, Store(scratch), SystemClock(), Workers(workers))


@pytest.fixture(scope="module")
def alone(small_round: Path) -> MeasuredRound:
    return measured(small_round)


def test_readings_by_architecture(alone: MeasuredRound) -> None:
    shuffle, squeeze = alone.readings
    assert (shuffle.architecture, squeeze.architecture) == ("shufflenet1_0", "squeezenetv1_1")
    assert squeeze.names == tuple(f"id-{number:08d}" for number in range(8))
    assert squeeze.poisoned.tolist() == [1, 0, 1, 0, 0, 1, 1, 0]
    assert squeeze.thetas == THETAS
    assert squeeze.signals == per_variant()
    for variants, seconds in zip(squeeze.variants, squeeze.seconds, strict=True):
        assert variants.shape == (8, 2, len(per_variant()))
        assert seconds.shape == (8,)
        assert np.all(seconds > 0)
    assert squeeze.images == (ImageChoice(2),)  # of both thetas
    assert squeeze.numbers["unpruned"].shape == (1, 8, len(UNPRUNED_STATISTICS))
    assert squeeze.numbers["attraction"].shape == (1, 8, len(ATTRACTION_STATISTICS))
    assert {len(column) for column in squeeze.untouched.values()} == {8}
    assert len(np.unique(squeeze.untouched["convolution_norm"])) == 8


def test_the_rest_is_listed(small_round: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "detector"):
        result = measured(small_round)
    broken, twin = result.left_out
    assert broken.name == "id-00000009"
    assert twin == LeftOut("id-00000010", "the same file as id-00000000")
    assert "11 of 11 models" in caplog.text
    assert set(result.doubtful) <= {name for readings in result.readings for name in readings.names}


def test_two_processes_read_the_same(small_round: Path, alone: MeasuredRound, tmp_path: Path) -> None:
    result = measured(small_round, tmp_path, workers=2)
    assert (result.left_out, result.doubtful) == (alone.left_out, alone.doubtful)
    for one, other in zip(result.readings, alone.readings, strict=True):
        assert (one.architecture, one.names) == (other.architecture, other.names)
        for mine, yours in zip(one.variants, other.variants, strict=True):
            np.testing.assert_array_equal(mine, yours)
        for key in other.untouched:
            np.testing.assert_array_equal(one.untouched[key], other.untouched[key])


def test_a_fault_of_ours_is_not_swallowed(small_round: Path, tmp_path: Path) -> None:
    """No model is to blame for a preprocessing that cannot be, not even in a process of its own."""
    models = read_round(small_round).models
    with pytest.raises(AttributeError):
        measure_round(models, Sweep(THETAS, None), Store(None), SystemClock(), Workers(2))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


@pytest.mark.hostile
@pytest.mark.parametrize(
    "fault", [KeyError("int64"), MemoryError(), RecursionError("deep"), AssertionError(), OverflowError("evil\nline")]
)
def test_a_fault_at_one_model_leaves_that_one_out(
    fault: Exception, small_round: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = read_round(small_round).models[:3]
    read = CheckedModel.read

    def faulty(path: Path, sandbox: Sandbox | None = None) -> CheckedModel:
        if path == models[1].model_filepath:
            raise fault
        return read(path, sandbox)

    monkeypatch.setattr(CheckedModel, "read", faulty)
    result = measure_round(models, SWEEP, Store(scratch), SystemClock(), Workers(1))
    assert [readings.names for readings in result.readings] == [(models[0].name, models[2].name)]
    (left_out,) = result.left_out
    assert left_out.name == models[1].name
    assert left_out.reason.startswith(f"internal fault: {type(fault).__name__}")


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_their_parent(sent: signal.Signals, small_round: Path, tmp_path: Path) -> None:
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "laboratory.measuring",
        "measure",
        "--models",
        small_round,
        "--workers",
        "2",
    ]
    paths: list[str | Path] = [
        "--output",
        tmp_path / "out",
        "--scratch",
        tmp_path / "scratch",
        "--preprocessing",
        "rgb_minmax",
    ]
    process = subprocess.Popen([*command, *paths], cwd=HOME, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        _wait(lambda: any(tmp_path.rglob("*.npz")))
        workers = _children(process.pid)
        assert len(workers) >= 2
        process.send_signal(sent)
        assert process.wait(60) == (130 if sent is signal.SIGINT else -sent)
        _wait(lambda: not any(map(_is_running, workers)))
    finally:
        process.kill()
    assert not (tmp_path / "out").exists()


def _wait(condition: object) -> None:
    assert callable(condition)
    end = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def _children(parent: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
