"""Folders of photographs of one's own: other sizes, JPEG, and no labels. They come from outside as all examples do."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detector.base.errors import ExamplesError
from detector.base.findings import Severity
from detector.base.limits import LIMITS, ImageLimits
from detector.examples import decoding
from detector.examples.images import Examples, Listing, decode, list_examples
from detector.rounds.preprocessing import PROFILES

SMALL = replace(PROFILES["small"], resized=True)


def _pixels(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Smooth, as photographs are, so that JPEG changes little."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height)))


def _save(path: Path, width: int, height: int, seed: int = 0) -> None:
    Image.fromarray(_pixels(width, height, seed)).save(path)


def _findings(result: Examples | Listing) -> dict[str, Severity]:
    return {finding.code: finding.severity for finding in result.findings}


def test_photographs_named_by_class_may_be_jpeg(tmp_path: Path) -> None:
    for label, name in enumerate(("class_0_example_0.JPG", "class_1_example_0.jpeg", "class_2_example_0.png")):
        _save(tmp_path / name, 640, 480, label)
    listing = list_examples(tmp_path, 3, photographs=True)
    assert listing.labelled
    assert [name.label for name in listing.names] == [0, 1, 2]
    examples = decode(listing, range(3), SMALL)
    assert (examples.labels.tolist(), examples.labelled) == ([0, 1, 2], True)
    assert _findings(examples) == {"examples_resized": Severity.INFO}
    for number, name in enumerate(examples.names):
        with Image.open(tmp_path / name) as image:
            shown = np.asarray(image.resize((72, 54), Image.Resampling.BILINEAR))[3:51, 12:60]
        np.testing.assert_array_equal(examples.pixels[number], shown.transpose(2, 0, 1))
        np.testing.assert_array_equal(examples.images[number], shown.transpose(2, 0, 1).astype(np.float32) / 255)


def test_without_being_asked_nothing_is_resized_and_the_error_names_the_option(tmp_path: Path) -> None:
    _save(tmp_path / "class_0_example_0.png", 640, 480)
    with pytest.raises(ExamplesError, match=r"--resize"):
        decode(list_examples(tmp_path), [0], PROFILES["small"])


def test_a_folder_without_labels(tmp_path: Path) -> None:
    names = ["DSC_0001.JPG", "ein Foto (Straße).png", "holiday.jpeg"]
    for name in names:
        _save(tmp_path / name, 100, 80)
    for name in ("notes.txt", ".hidden.jpg"):
        (tmp_path / name).write_text("x")
    listing = list_examples(tmp_path, 10, photographs=True)
    assert not listing.labelled
    assert [path.name for path in listing.paths] == sorted(names)
    assert _findings(listing) == {"examples_suffix_ignored": Severity.INFO, "examples_hidden_ignored": Severity.INFO}
    examples = decode(listing, range(3), SMALL)
    assert not examples.labelled and examples.names == tuple(sorted(names))
    assert not examples.subset([1]).labelled
    labelled = examples.with_labels(np.array([4, 5, 6]))
    assert labelled.labels.tolist() == [4, 5, 6]


def test_numbers_without_label_files_are_no_labels(tmp_path: Path) -> None:
    for number in range(3):
        _save(tmp_path / f"{number}.jpg", 100, 80)
    assert not list_examples(tmp_path, photographs=True).labelled
    with pytest.raises(ExamplesError):
        list_examples(tmp_path)


@pytest.mark.parametrize(
    "others",
    [
        {"class_0_example_0.png": ""},
        {"0.jpg": "", "0.json": "seven"},
        {"class_0_trigger_0_example_0.png": ""},
        {"class_1.png": ""},
        {"Class 2 (3).jpg": ""},
        {"data.csv": "file,label"},
    ],
)
def test_where_anything_says_a_class_images_without_one_are_left_out(others: dict[str, str], tmp_path: Path) -> None:
    """A folder of a round in disorder is not one that nobody has labelled."""
    _save(tmp_path / "holiday.png", 100, 80)
    for name, text in others.items():
        (tmp_path / name).write_text(text)
    try:
        listing = list_examples(tmp_path, photographs=True)
    except ExamplesError:
        return
    assert listing.labelled
    assert "holiday.png" not in [path.name for path in listing.paths]


def test_an_empty_folder_holds_no_photographs(tmp_path: Path) -> None:
    with pytest.raises(ExamplesError, match="directory is empty"):
        list_examples(tmp_path, photographs=True)


@pytest.mark.hostile
def test_names_that_cannot_be_shown_are_left_out_and_told(tmp_path: Path) -> None:
    for name in ("good.png", "evil\x1b[31m.png", "gnp.‮.png", "line\nbreak.png"):
        _save(tmp_path / name, 100, 80)
    listing = list_examples(tmp_path, photographs=True)
    assert [path.name for path in listing.paths] == ["good.png"]
    (told,) = listing.findings
    assert (told.code, told.evidence["count"]) == ("examples_name_unprintable", 3)
    assert "\x1b" not in told.message


def test_small_ones_are_enlarged_and_told(tmp_path: Path) -> None:
    _save(tmp_path / "class_0_example_0.png", 40, 40)
    examples = decode(list_examples(tmp_path), [0], SMALL)
    assert examples.images.shape == (1, 3, 48, 48)
    assert _findings(examples) == {"examples_enlarged": Severity.WARNING}


@pytest.mark.hostile
@pytest.mark.parametrize("size", [(31, 31), (32, 129), (8192, 4097)])
def test_what_is_no_photograph_is_left_out_unread(
    size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("it was decoded")

    buffer = io.BytesIO()
    Image.new("L", size, 99).save(buffer, "JPEG")
    (tmp_path / "class_0_example_0.jpg").write_bytes(buffer.getvalue())
    listing = list_examples(tmp_path, photographs=True)
    monkeypatch.setattr(decoding, "decode_here", refused)
    with pytest.raises(ExamplesError, match=rf"too small, too large or too long.*{size[0]} x {size[1]}"):
        decode(listing, [0], SMALL)


def _with_scans(content: bytes, count: int) -> bytes:
    """A progressive JPEG whose first scan comes `count` times more, which changes nothing of the picture."""
    start = content.index(b"\xff\xda")
    following = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]").search(content, start + 2 + 2 + 10)
    assert following is not None
    scan = content[start : following.start()]
    return content[:start] + scan * count + content[start:]


@pytest.mark.hostile
def test_scans_over_a_large_photograph_are_limited(tmp_path: Path) -> None:
    """Each scan passes over the whole image: 60 of them over 12 megapixels are the work of 700."""
    buffer = io.BytesIO()
    Image.new("L", (4000, 3000), 99).save(buffer, "JPEG", progressive=True)
    (tmp_path / "class_0_example_0.jpg").write_bytes(_with_scans(buffer.getvalue(), 50))
    with pytest.raises(ExamplesError, match="more parts than an image needs"):
        decode(list_examples(tmp_path, photographs=True), [0], SMALL)


@pytest.mark.hostile
def test_all_photographs_together_are_limited(tmp_path: Path) -> None:
    for number in range(3):
        _save(tmp_path / f"class_0_example_{number}.png", 100, 100, number)
    few = ImageLimits(all_pixels=25_000)
    examples = decode(list_examples(tmp_path), range(3), SMALL, limits=few)
    assert len(examples) == 2
    assert "examples_limit_of_folder" in _findings(examples)


def test_photographs_have_limits_of_their_own(tmp_path: Path) -> None:
    """Larger files than the images of a round, but not without limits; and only where they are to be resized."""
    noise = np.random.default_rng(0).integers(0, 256, (1300, 1300, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "class_0_example_0.png")
    size = (tmp_path / "class_0_example_0.png").stat().st_size
    assert LIMITS.images.file_bytes < size < LIMITS.photographs.file_bytes
    assert len(decode(list_examples(tmp_path), [0], SMALL)) == 1
    with pytest.raises(ExamplesError, match=f"more than {LIMITS.images.file_bytes} bytes"):
        decode(list_examples(tmp_path), [0], PROFILES["small"])
