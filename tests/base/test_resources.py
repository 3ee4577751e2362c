"""The shipped files are found in an installed package and beside a checkout, and missed with an error that says so."""

from __future__ import annotations

import importlib.resources
import runpy
from pathlib import Path

import pytest

from detector.base.errors import DetectorError
from detector.base.resources import SHIPPED, data_directory

HOME = Path(__file__).resolve().parents[2]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package `detector` in a folder of its own, without any data yet."""
    folder = tmp_path / "somewhere" / "detector"
    folder.mkdir(parents=True)
    monkeypatch.setattr(importlib.resources, "files", lambda name: {"detector": folder}[name])
    return folder


def test_beside_the_package_in_a_checkout_or_an_image(package: Path) -> None:
    (package.parent / "reference_data").mkdir()
    assert data_directory() == package.parent


def test_inside_an_installed_package_whatever_lies_beside_it(package: Path) -> None:
    (package.parent / "reference_data").mkdir()
    (package / "data" / "reference_data").mkdir(parents=True)
    assert data_directory() == package / "data"


def test_links_of_the_image_are_followed_to_the_package_only(package: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (package.parent / "reference_data").symlink_to(tmp_path / "elsewhere")
    assert data_directory() == package.parent


def test_nowhere_is_an_error_that_names_what_is_missing(package: Path) -> None:
    with pytest.raises(DetectorError, match=r"reference_data.*install the package again") as caught:
        data_directory()
    assert caught.value.exit_code == 1
    assert caught.value.where == str(package)


def test_a_package_that_is_no_folder_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.resources, "files", lambda name: f"archive.zip/{name}")
    with pytest.raises(DetectorError, match=r"^archive.zip/detector: "):
        data_directory()


def test_the_build_packs_the_same_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("setuptools.setup", lambda **_: None)
    assert runpy.run_path(str(HOME / "setup.py"))["SHIPPED"] == SHIPPED
    assert all((HOME / name).exists() for name in SHIPPED)
