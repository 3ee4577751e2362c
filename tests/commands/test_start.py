"""The bundle that is started from: where it is found, and which one is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from detector.base.errors import ParametersError, UsageError
from detector.commands.configure import ConfigureRequest
from detector.commands.start import bundle_folder, find_start

HOME = Path(__file__).resolve().parents[2]
SHIPPED = HOME / "learned_params"


def test_a_shipped_bundle_by_its_name(tmp_path: Path) -> None:
    found = find_start("universal", tmp_path)
    assert (found.bundle.name, found.parameters.architecture) == ("universal", "any")


def test_that_of_the_learned_parameters_comes_first(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED / "universal", tmp_path / "universal")
    assert bundle_folder("universal", (tmp_path, SHIPPED)) == tmp_path / "universal"
    assert bundle_folder("universal", (tmp_path / "none", SHIPPED)) == SHIPPED / "universal"


def test_a_folder_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(SHIPPED / "universal", tmp_path / "somewhere" / "Mine")
    assert find_start(str(tmp_path / "somewhere" / "Mine"), tmp_path / "learned").bundle.name == "universal"
    monkeypatch.chdir(tmp_path / "somewhere")
    assert bundle_folder("Mine", (SHIPPED,)) == Path("Mine")


@pytest.mark.parametrize("name", ["none", "", "/", "../learned_params"])
def test_no_such_bundle(name: str, tmp_path: Path) -> None:
    with pytest.raises(ParametersError, match="no bundle") as caught:
        find_start(name, tmp_path)
    assert "universal" in caught.value.expected


@pytest.mark.parametrize("name", ["nist-round2", "small"])
def test_a_bundle_of_other_mappings(name: str, tmp_path: Path) -> None:
    with pytest.raises(ParametersError, match="cannot be started from"):
        find_start(name, tmp_path)


def test_a_damaged_bundle(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED / "universal", tmp_path / "universal")
    (tmp_path / "universal" / "any.json").write_text("{}")
    with pytest.raises(ParametersError, match=r"any\.json"):
        find_start("universal", tmp_path)


def test_a_search_and_a_start_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at once"):
        ConfigureRequest(tmp_path, tmp_path, None, automatic=True, start_from="universal")
