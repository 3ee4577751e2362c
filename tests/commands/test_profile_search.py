"""Preprocessing that is found end to end: a shipped network, shown its own images made otherwise."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detector.base.budget import Budget
from detector.commands.detect import Detection, Request
from detector.commands.settings import Settings
from detector.report.report import Report

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples" / "id-00000001"
SETTINGS = Settings("universal", 60.0, None, save_logits=False, tampered_probability=0.9, threads=1)

Pixels = np.ndarray


class _Stopped:
    def now(self) -> float:
        return 0.0


def _judged(folder: Path, settings: Settings = SETTINGS) -> Report:
    request = Request(SAMPLE / "model.pt", folder, ROOT / "learned_params")
    return Detection(request, settings, Budget(_Stopped(), 0.0, 60.0)).run()


def _made_otherwise(folder: Path, change: Callable[[Pixels], Pixels]) -> Path:
    folder.mkdir()
    for path in (SAMPLE / "example_data").iterdir():
        if path.suffix != ".png":
            shutil.copy(path, folder)
            continue
        with Image.open(path) as image:
            Image.fromarray(np.ascontiguousarray(change(np.asarray(image.convert("RGB"))))).save(folder / path.name)
    return folder


@pytest.fixture(scope="module")
def as_it_came() -> Report:
    return _judged(SAMPLE / "example_data")


def test_where_the_documented_profile_has_no_error_it_stays(as_it_came: Report) -> None:
    found = [finding for finding in as_it_came.findings if finding.code == "preprocessing_found"]
    assert [one.evidence["used"] for one in found] == ["small"]
    assert as_it_came.unpruned_accuracy == 1.0


def test_swapped_channels_are_found_and_the_answer_is_the_same(as_it_came: Report, tmp_path: Path) -> None:
    """Blue first on disk, and blue first for the network: the very numbers of before."""
    report = _judged(_made_otherwise(tmp_path / "swapped", lambda pixels: pixels[..., ::-1]))
    assert report.preprocessing is not None
    assert (report.preprocessing.channel_order, report.preprocessing.crop) == ("BGR", 48)
    assert report.unpruned_accuracy == 1.0
    told = next(one for one in report.findings if one.code == "preprocessing_found")
    assert told.severity == "warning" and "BGR" in told.message


def test_the_users_word_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = _made_otherwise(tmp_path / "swapped", lambda pixels: pixels[..., ::-1])
    named = Settings("universal", 60.0, "small", save_logits=False, tampered_probability=0.9, threads=1)
    report = _judged(folder, named)
    assert report.preprocessing is not None and report.preprocessing.name == "small"
    assert not [one for one in report.findings if one.code == "preprocessing_found"]


def test_images_of_a_size_that_no_profile_has_are_taken_as_they_are(tmp_path: Path) -> None:
    report = _judged(_made_otherwise(tmp_path / "cut", lambda pixels: pixels[2:52, 2:52]))
    assert report.preprocessing is not None
    assert report.preprocessing.crop == 50
    assert report.unpruned_accuracy is not None and report.unpruned_accuracy > 0.8
