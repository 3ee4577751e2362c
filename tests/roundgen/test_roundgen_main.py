"""The generator's command line and its status line."""

import io
from pathlib import Path

import pytest

import detector.roundgen.__main__ as command
from detector.roundgen.rounds import Progress, sample_round


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
    assert "4 of 4 models" in capsys.readouterr().err


def test_ctrl_c_ends_with_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> tuple[str, ...]:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "make_round", interrupted)
    assert command.main(["samples", "--output", str(tmp_path)]) == 130
    assert "continues" in capsys.readouterr().err


def test_the_status_line_says_what_is_done_and_how_far_the_model_is(tmp_path: Path) -> None:
    jobs, stream = sample_round(), io.StringIO()
    (tmp_path / jobs[0].name).mkdir()
    status = command.StatusLine(jobs, tmp_path, stream)
    status.watch(Progress(jobs[2].name, 1, 7, jobs[2].recipe.schedule.steps))
    line = stream.getvalue()
    assert line.startswith("1/4 models; id-00000002 shufflenet1_0 try 1 step 7/")
    assert line.endswith("min left\n")
