"""What stands in the output files when a run begins: nothing of an earlier model, at any moment beside a fresh 0.5."""

import os
from pathlib import Path

import pytest

from detector.base.errors import UsageError
from detector.commands import outputs
from detector.commands.cli import InferCommand
from detector.commands.outputs import begin_outputs


def command(folder: Path) -> InferCommand:
    return InferCommand(
        model_filepath=folder / "model.pt",
        result_filepath=folder / "result.txt",
        scratch_dirpath=folder / "scratch",
        examples_dirpath=folder / "example_data",
        metaparameters_filepath=folder / "metaparameters.json",
        schema_filepath=folder / "schema.json",
        learned_parameters_dirpath=folder / "learned",
        features_filepath=folder / "features.csv",
        unknown_options=(),
    )


def earlier_run(folder: Path) -> None:
    (folder / "scratch").mkdir()
    for name in ("result.txt", "features.csv", "scratch/report.json", "scratch/logits.npz", "scratch/other"):
        (folder / name).write_text("0.9\n")


def test_nothing_of_an_earlier_run_stays(tmp_path: Path) -> None:
    earlier_run(tmp_path)
    begin_outputs(command(tmp_path))
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"result.txt", "scratch/other"}
    assert (tmp_path / "result.txt").read_text() == "0.5\n"


def test_a_fresh_neutral_answer_never_stands_beside_an_old_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier_run(tmp_path)

    def killed(*_: object) -> None:
        assert not (tmp_path / "scratch" / "report.json").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(outputs, "write_probability", killed)
    with pytest.raises(KeyboardInterrupt):
        begin_outputs(command(tmp_path))


def test_what_cannot_be_removed_does_not_keep_the_neutral_answer_back(tmp_path: Path) -> None:
    (tmp_path / "scratch" / "report.json").mkdir(parents=True)
    begin_outputs(command(tmp_path))
    assert (tmp_path / "result.txt").read_text() == "0.5\n"


def test_a_result_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "result.txt")
    with pytest.raises(UsageError):
        begin_outputs(command(tmp_path))
