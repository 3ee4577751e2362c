"""Fixtures of the commands: a shipped network judged while the clock stands still, and that nothing is measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from detector.base.budget import Budget
from detector.commands.detect import Detection, Request
from detector.commands.settings import Settings
from detector.report.report import Report

ROOT = Path(__file__).resolve().parents[2]
Judge = Callable[..., Report]


class StoppedClock:
    def now(self) -> float:
        return 0.0


@pytest.fixture(scope="session")
def sample() -> Path:
    """The folder of a shipped network, with its clean examples."""
    return ROOT / "samples" / "id-00000001"


@pytest.fixture(scope="session")
def judge(sample: Path) -> Judge:
    """From a folder of images, and a preprocessing if it is to be that, to the report on `sample` by `universal`."""

    def judged(examples: Path, preprocessing: str | None = None) -> Report:
        settings = Settings("universal", 60.0, preprocessing, False, 0.9, threads=1)
        request = Request(sample / "model.pt", examples, ROOT / "learned_params")
        return Detection(request, settings, Budget(StoppedClock(), 0.0, 60.0)).run()

    return judged


@pytest.fixture
def nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever measures a network in this process fails."""

    def engine(*_: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr("detector.measurement.engine.PackedEngine", engine)
