"""`python -m laboratory.results`: page, figures and bundle from files of readings, the same bytes each time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

from detector.mapping.bundles import load_bundle, load_parameters
from detector.sweep.readings import ArchitectureReadings, write_readings
from laboratory.results.__main__ import main

Make = Callable[..., Sequence[ArchitectureReadings]]
FIGURES = {"architectures", "false_answers", "time", "accuracies", "learning_curve"}


def run(measurements: Path, output: Path) -> int:
    words = ["--measurements", measurements, "--docs", output / "docs", "--learned_params", output / "learned"]
    (output / "learned").mkdir(parents=True)
    effort = ["--permutations", "4", "--repeats", "1", "--draws", "1"]
    return main([*map(str, words), *effort, "--bundle", "by-hand"])


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_everything_is_written_twice_the_same(make_round: Make, tmp_path: Path) -> None:
    for name, seed, models in (("small", 0, 20), ("small-fresh", 30, 16), ("small-filters", 20, 12)):
        (tmp_path / name).mkdir()
        for one in make_round(seed, 2.5, models=models):
            write_readings(tmp_path / name / f"{one.architecture}.npz", one)
    assert run(tmp_path, tmp_path / "one") == run(tmp_path, tmp_path / "two") == 0
    written = files(tmp_path / "one")
    assert written == files(tmp_path / "two")
    assert {f"docs/figures/{name}.svg" for name in FIGURES} | {"docs/results.md", "docs/tried.csv"} <= written.keys()
    for name in FIGURES:
        assert f"figures/{name}.svg" in written["docs/results.md"].decode()
        assert b"<dc:date>" not in written[f"docs/figures/{name}.svg"]
        assert ElementTree.fromstring(written[f"docs/figures/{name}.svg"]).tag.endswith("svg")
    bundle = load_bundle(tmp_path / "one" / "learned", "by-hand")
    assert bundle.base_rate == 0.5
    parameters = load_parameters(tmp_path / "one" / "learned", "by-hand", "resnet18")
    assert parameters is not None
    assert parameters.preprocessing.name == "small"
    notes = " ".join(parameters.provenance.notes)
    assert "figures of others, small-fresh, as well" in notes
    assert "40 in all" in notes


def test_without_measurements_nothing_is_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert run(tmp_path / "none", tmp_path / "out") == 2
    assert "at least 5 clean and 5 poisoned" in caplog.text
    assert files(tmp_path / "out") == {}


def test_anybodys_round_gets_a_page_and_a_bundle_of_its_own(
    make_round: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No other round, no recipes; nothing that is shipped is touched."""
    (tmp_path / "theirs").mkdir()
    for one in make_round(0, 2.5, models=20):
        write_readings(tmp_path / "theirs" / f"{one.architecture}.npz", one)
    monkeypatch.chdir(tmp_path)
    effort = ["--permutations", "4", "--repeats", "1", "--draws", "1"]
    assert main(["--measurements", ".", "--round", "theirs", "--preprocessing", "round2", *effort]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"theirs"}
    text = (tmp_path / "theirs" / "results" / "results.md").read_text()
    assert "`theirs`" in text and "not measured" in text and "small" not in text
    assert load_bundle(tmp_path / "theirs" / "results", "theirs").base_rate == 0.5
    parameters = load_parameters(tmp_path / "theirs" / "results", "theirs", "resnet18")
    assert parameters is not None and parameters.preprocessing.name == "round2"
