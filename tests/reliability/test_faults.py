"""The quick part of `make test-faults`, and that a state that must not be is known as one."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from reliability.faults import Configured, Model, State, earlier_run, killed_detections, on_full_disks, run_killed
from reliability.load import After, findings


def _can_mount() -> bool:
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0


def test_a_few_kills(tampered_case: Any, tmp_path: Path) -> None:
    model = Model(tampered_case.model, tampered_case.examples)
    states, seconds = killed_detections(model, tmp_path, 6, random.Random(1))
    assert states.total() == 6 and seconds > 0
    assert [state for state in states if not state.is_sound] == []


@pytest.mark.skipif(not _can_mount(), reason="may not make a mount namespace")
def test_full_disks(tampered_case: Any, tmp_path: Path) -> None:
    """Nothing free: the neutral answer is written over the old one, and so is the answer. Enough: all is written."""
    model = Model(tampered_case.model, tampered_case.examples)
    states = on_full_disks(model, tmp_path, (0, 65536))
    assert [state for state in states if not state.is_sound] == []
    assert set(states) == {State("answer", report, (), "exit 0") for report in ("absent", "new")}


@pytest.mark.parametrize(
    ("result", "report", "ended", "sound"),
    [
        ("0.9\n", "{}", -9, False),
        ("0.12", None, -9, False),
        ("0.5\n", '{"of": "another model"}', -9, False),
        ("0.5\n", '{"probability"', -9, False),
        ("0.5\n", None, -9, True),
        ("0.123456789\n", '{"of": "another model"}', -9, True),
        ("0.123456789\n", None, 2, False),
        ("0.5\n", '{"probability": 0.5}', 3, True),
        (None, None, 2, True),
        ("0.5\n", None, 0, False),
        ("0.25\n", '{"probability": 0.25}', 0, True),
    ],
)
def test_states(result: str | None, report: str | None, ended: int, sound: bool, tmp_path: Path) -> None:
    folder = earlier_run(tmp_path / "run")
    for path, text in ((folder / "result.txt", result), (folder / "scratch" / "report.json", report)):
        path.unlink()
        if text is not None:
            path.write_text(text)
    assert State.of(folder, ended, "0.25\n").is_sound is sound


def test_states_of_configure(tmp_path: Path) -> None:
    assert not Configured.of(tmp_path, -9).is_sound
    shipped = Path(__file__).resolve().parents[2] / "learned_params" / "small"
    shutil.copytree(shipped, tmp_path / "configured")
    assert Configured.of(tmp_path, -9) == Configured("new", 0, "signal 9")
    whole = (shipped / "resnet18.json").read_bytes()
    (tmp_path / "configured" / "resnet18.json").write_bytes(whole[:-100])
    assert not Configured.of(tmp_path, -9).is_sound
    (tmp_path / "configured" / "resnet18.json").write_bytes(whole)
    for number in range(2):
        (tmp_path / f".measuring-{number}").mkdir()
    assert not Configured.of(tmp_path, 0).is_sound


def test_a_process_that_ends_before_it_is_killed(tmp_path: Path) -> None:
    assert run_killed(["sh", "-c", "exit 5"], 60, signal.SIGKILL) == 5
    assert run_killed(["sleep", "60"], 0.01, signal.SIGTERM) == -15


@pytest.mark.parametrize(
    ("last", "told"),
    [
        (After("0.5 (exit 0)", 101 << 20, 9, 1.0), []),
        (After("0.6 (exit 0)", 101 << 20, 9, 1.0), ["answers"]),
        (After("0.5 (exit 0)", 120 << 20, 9, 1.0), ["memory"]),
        (After("0.5 (exit 0)", 101 << 20, 10, 1.0), ["descriptors"]),
    ],
)
def test_growth_and_other_answers_are_told(last: After, told: list[str]) -> None:
    runs = [After("0.5 (exit 0)", size << 20, 9, 1.0) for size in (50, 90, 100, 100)]
    found = findings({"one": [*runs, last]})
    assert [any(word in one for one in found) for word in told] == [True] * len(told)
    assert len(found) == len(told)


def test_detections_without_an_answer_are_told() -> None:
    assert findings({"one": [After("0.5 (exit 5)", 1 << 20, 9, 1.0)] * 4}) == ["one: answers ['0.5 (exit 5)']"]
