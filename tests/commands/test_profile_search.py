"""Preprocessing that is found end to end: a shipped network, shown its own images made otherwise."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detector.report.report import Report

Pixels = np.ndarray
Change = Callable[[Pixels], Pixels]
Judge = Callable[..., Report]
MadeOtherwise = Callable[[Change], Path]


@pytest.fixture
def made_otherwise(sample: Path, tmp_path: Path) -> MadeOtherwise:
    """The folder of the network's examples after a change of their pixels."""

    def made(change: Change) -> Path:
        folder = tmp_path / "otherwise"
        folder.mkdir()
        for path in (sample / "example_data").iterdir():
            if path.suffix != ".png":
                shutil.copy(path, folder)
                continue
            with Image.open(path) as image:
                Image.fromarray(np.ascontiguousarray(change(np.asarray(image.convert("RGB"))))).save(folder / path.name)
        return folder

    return made


@pytest.fixture(scope="module")
def as_it_came(judge: Judge, sample: Path) -> Report:
    return judge(sample / "example_data")


def test_where_the_documented_profile_has_no_error_it_stays(as_it_came: Report) -> None:
    found = [finding for finding in as_it_came.findings if finding.code == "preprocessing_found"]
    assert [one.evidence["used"] for one in found] == ["small"]
    assert as_it_came.unpruned_accuracy == 1.0


def test_swapped_channels_are_found_and_the_answer_is_the_same(
    as_it_came: Report, judge: Judge, made_otherwise: MadeOtherwise
) -> None:
    """Blue first on disk, and blue first for the network: the very numbers of before."""
    report = judge(made_otherwise(lambda pixels: pixels[..., ::-1]))
    assert report.preprocessing is not None
    assert (report.preprocessing.channel_order, report.preprocessing.crop) == ("BGR", 48)
    assert report.unpruned_accuracy == 1.0
    told = next(one for one in report.findings if one.code == "preprocessing_found")
    assert told.severity == "warning" and "BGR" in told.message


def test_the_users_word_is_taken_as_it_is(judge: Judge, made_otherwise: MadeOtherwise) -> None:
    folder = made_otherwise(lambda pixels: pixels[..., ::-1])
    report = judge(folder, "small")
    assert report.preprocessing is not None and report.preprocessing.name == "small"
    assert not [one for one in report.findings if one.code == "preprocessing_found"]


def test_images_of_a_size_that_no_profile_has_are_taken_as_they_are(
    judge: Judge, made_otherwise: MadeOtherwise
) -> None:
    report = judge(made_otherwise(lambda pixels: pixels[2:52, 2:52]))
    assert report.preprocessing is not None
    assert report.preprocessing.crop == 50
    assert report.unpruned_accuracy is not None and report.unpruned_accuracy > 0.8
