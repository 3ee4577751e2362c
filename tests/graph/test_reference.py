"""The committed reference data is what torchvision says today, and says so when it is not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from detector.architectures import ARCHITECTURES
from detector.base.errors import DetectorError
from detector.graph.__main__ import architecture_files, differing, reference_files
from detector.graph.file_sizes import compute_file_size
from detector.graph.reference import (
    DEFAULT_DIRECTORY,
    FILE_SIZES,
    load_reference,
    reference_file_sizes,
    reference_graph,
)
from detector.graph.trace import trace


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_committed_files_are_up_to_date(name: str) -> None:
    reference = trace(ARCHITECTURES[name])
    for file, text in architecture_files(reference).items():
        assert (DEFAULT_DIRECTORY / file).read_text(encoding="utf-8") == text, f"{file}: run `make reference`"
    assert reference_file_sizes()[0][name] == compute_file_size(ARCHITECTURES[name], reference)
    assert load_reference(name) == reference


def test_directory_holds_nothing_else() -> None:
    expected = {f"{name}.{suffix}" for name in ARCHITECTURES for suffix in ("graph", "dot", "modules")} | {FILE_SIZES}
    assert {path.name for path in DEFAULT_DIRECTORY.iterdir()} == expected


def test_check_names_what_differs(tmp_path: Path) -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in DEFAULT_DIRECTORY.iterdir()}
    shutil.copytree(DEFAULT_DIRECTORY, tmp_path / "copy")
    assert differing(committed, tmp_path / "copy") == []
    changed = tmp_path / "copy" / "resnet50.graph"
    changed.write_text(changed.read_text(encoding="utf-8").replace("stride=(2,2)", "stride=(1,1)", 1), encoding="utf-8")
    (tmp_path / "copy" / "vgg11bn.dot").unlink()
    (tmp_path / "copy" / "leftover.graph").touch()
    assert differing(committed, tmp_path / "copy") == ["leftover.graph", "resnet50.graph", "vgg11bn.dot"]


def test_command_checks_and_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = architecture_files(trace(ARCHITECTURES["vgg11bn"]))
    monkeypatch.setattr("detector.graph.__main__.reference_files", lambda: one)
    from detector.graph.__main__ import main

    directory = str(tmp_path / "new")
    assert main(["--check", directory]) == 1
    assert "vgg11bn.graph" in capsys.readouterr().out
    assert main(["--write", directory]) == 0
    assert main(["--check", directory]) == 0
    assert capsys.readouterr().out.count("written") == 3
    (tmp_path / "new" / "vgg11bn.dot").write_text("digraph {}", encoding="utf-8")
    assert main(["--check", directory]) == 1
    (tmp_path / "new" / "old.dot").touch()
    assert main(["--write", directory]) == 0
    assert {path.name for path in (tmp_path / "new").iterdir()} == set(one)


@pytest.mark.slow
def test_whole_command_finds_the_committed_files_up_to_date() -> None:
    assert differing(reference_files(), DEFAULT_DIRECTORY) == []


def test_missing_and_damaged_reference_data_are_typed_errors(tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match=r"resnet18\.graph"):
        reference_graph("resnet18", tmp_path)
    (tmp_path / FILE_SIZES).write_text("{}", encoding="utf-8")
    with pytest.raises(DetectorError, match=FILE_SIZES):
        reference_file_sizes(tmp_path)
