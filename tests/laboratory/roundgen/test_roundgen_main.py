"""The generator's command line and its status line."""

import io
from pathlib import Path
from typing import Any

import pytest

import laboratory.roundgen.__main__ as command
from detector.base.workers import Workers
from laboratory.roundgen.presets import Plan, Preset, round_of
from laboratory.roundgen.recipe import TriggerFamily
from laboratory.roundgen.reports import Progress
from laboratory.roundgen.samples import sample_round


def test_an_unknown_model_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["samples", "--output", str(tmp_path), "--only", "id-00000009"]) == 2
    assert "id-00000009" in capsys.readouterr().err


def test_a_preset_is_required() -> None:
    with pytest.raises(SystemExit) as end:
        command.main([])
    assert end.value.code == 2


def test_finished_models_are_not_made_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for job in sample_round():
        (tmp_path / job.name).mkdir()
    assert command.main(["samples", "--output", str(tmp_path)]) == 0
    assert "5 of 5 models" in capsys.readouterr().err


def test_ctrl_c_ends_with_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> tuple[str, ...]:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "make_round", interrupted)
    assert command.main(["samples", "--output", str(tmp_path)]) == 130
    assert "continues" in capsys.readouterr().err


def test_the_status_line_says_what_is_done_how_fast_and_what_is_in_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, stream, now = sample_round(), io.StringIO(), [0.0]
    monkeypatch.setattr("laboratory.roundgen.__main__.time.monotonic", lambda: now[0])
    (tmp_path / jobs[0].name).mkdir()
    status = command.StatusLine(jobs, tmp_path, stream)
    status.watch(Progress(jobs[2].name, 1, 7, 70))
    (tmp_path / jobs[1].name).mkdir()
    now[0] = 120.0
    status.watch(Progress("start-1", 1, 3, 9))
    status.watch(None)  # too soon for another line
    assert stream.getvalue().splitlines() == [
        "1/5 models; id-00000002 shufflenet1_0 try 1 step 7/70",
        "2/5 models, 0.50 a minute, 6 min left; id-00000002 shufflenet1_0 try 1 step 7/70; start-1 try 1 step 3/9",
    ]


def test_options_of_a_round_reach_its_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def make_round(
        jobs: object, folder: Path, workers: Workers, watch: object, device: str, starts: Path | None
    ) -> tuple[str, ...]:
        seen.update(jobs=jobs, folder=folder, workers=workers, device=device, starts=starts)
        return ()

    monkeypatch.setattr(command, "make_round", make_round)
    words = (
        "small --architectures resnet18 googlenet --models 3 --triggers instagram --seed 7 --workers 2 --device cuda"
    )
    assert command.main([*words.split(), "--output", str(tmp_path)]) == 0
    plan = Plan(Preset.SMALL, ("resnet18", "googlenet"), 3, (TriggerFamily.FILTER,), 7)
    assert seen == {"jobs": round_of(plan), "folder": tmp_path, "workers": Workers(2), "device": "cuda", "starts": None}


def test_inception_is_refused_for_small_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["small", "--architectures", "inceptionv3", "--output", str(tmp_path)]) == 2
    assert "48 px" in capsys.readouterr().err
