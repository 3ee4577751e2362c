"""Listing of Round 11's folders, symbolic links, and labels that count from one."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.base.errors import ExamplesError
from detector.base.findings import Severity
from detector.examples.listing import Listing, counts_from_one, list_examples, nothing_usable
from detector.rounds.example_names import ExampleName
from detector.rounds.preprocessing import PROFILES

HOME = Path(__file__).resolve().parents[2]


def _codes(listing: Listing) -> dict[str, Severity]:
    return {finding.code: finding.severity for finding in listing.findings}


def _round11(directory: Path, labels: dict[int, bytes | None]) -> Path:
    for number, label in labels.items():
        (directory / f"{number}.jpg").touch()
        if label is not None:
            (directory / f"{number}.json").write_bytes(label)
    return directory


# --- Round 11


def test_labels_lie_beside_the_images(tmp_path: Path) -> None:
    _round11(tmp_path, {2: b"17", 10: b" 3\n", 0: b"17"})
    listing = list_examples(tmp_path, num_classes=20)
    assert [path.name for path in listing.paths] == ["0.jpg", "10.jpg", "2.jpg"]  # as text
    assert listing.names == (ExampleName(17, 0), ExampleName(3, 10), ExampleName(17, 2))
    assert _codes(listing) == {"class_without_examples": Severity.WARNING}


@pytest.mark.parametrize(
    "content", [b"7", b"\xef\xbb\xbf7\r\n", "7".encode("utf-16"), "7".encode("utf-16-le"), b"7.0", b"7e0"]
)
def test_every_usual_spelling_of_a_class(content: bytes, tmp_path: Path) -> None:
    _round11(tmp_path, {0: content})
    assert list_examples(tmp_path).names == (ExampleName(7, 0),)


BROKEN = [
    b"", b"\xff\xfe", b"[7]", b'"7"', b"true", b"null", b"-1", b"7.5", b"NaN", b"1e999", b"7 8", b'{"class": 7}',
    b"1000000000", b"\xff", b"[" * 200, b"7" + b" " * 5000, b"9" * 200, None,
]  # fmt: skip


@pytest.mark.hostile
@pytest.mark.parametrize("content", BROKEN)
def test_an_image_whose_label_file_says_no_class_is_skipped_and_told(content: bytes | None, tmp_path: Path) -> None:
    _round11(tmp_path, {0: content, 1: b"4"})
    listing = list_examples(tmp_path)
    assert listing.names == (ExampleName(4, 1),)
    assert _codes(listing) == {"examples_label_file_unreadable": Severity.WARNING}


@pytest.mark.hostile
@pytest.mark.parametrize("kind", ["fifo", "device", "sparse", "directory", "dangling"])
def test_label_files_that_would_never_end_are_not_read(kind: str, tmp_path: Path) -> None:
    _round11(tmp_path, {0: None, 1: b"4"})
    path = tmp_path / "0.json"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "sparse":
        path.touch()
        os.truncate(path, 3 * 2**30)
    else:
        path.symlink_to("/dev/zero" if kind == "device" else "nowhere")
    assert list_examples(tmp_path).names == (ExampleName(4, 1),)


def test_other_files_beside_them_are_told(tmp_path: Path) -> None:
    _round11(tmp_path, {0: b"1"})
    for name in ("1.json", "notes.txt", "trigger_0.png", "image.jpg", "2.png"):
        (tmp_path / name).touch()
    assert _codes(list_examples(tmp_path)) == {
        "examples_suffix_ignored": Severity.INFO,
        "examples_name_unreadable": Severity.WARNING,
    }


# --- links


def test_links_to_images_and_labels_are_followed(tmp_path: Path) -> None:
    store, folder = tmp_path / "store", tmp_path / "examples"
    store.mkdir()
    folder.mkdir()
    for name, content in (("a", "3"), ("b", "")):
        (store / name).write_text(content)
    (folder / "0.json").symlink_to(store / "a")
    (folder / "0.jpg").symlink_to(store / "b")
    (folder / "class_1_example_0.png").symlink_to("0.jpg")
    listing = list_examples(folder)
    assert listing.names == (ExampleName(3, 0), ExampleName(1, 0))
    assert listing.findings == ()


@pytest.mark.hostile
@pytest.mark.parametrize("target", ["nowhere", ".", "/dev/zero", "class_0_example_0.png", "fifo"])
def test_links_that_lead_to_no_regular_file_name_the_next_step(target: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "class_0_example_0.png").symlink_to(target)
    with pytest.raises(ExamplesError) as caught:
        list_examples(tmp_path)
    assert "cp -L" in caught.value.next_step


# --- labels that count from one


@pytest.mark.parametrize(
    ("labels", "num_classes", "expected"),
    [
        ({1, 2, 3}, 3, True),
        ({3}, 3, True),
        ({2, 5}, 5, True),
        ({0, 1, 2}, 3, False),
        ({0, 3}, 3, False),
        ({1, 2}, 3, False),
        ({1, 4}, 3, False),
        (set(), 3, False),
    ],
)
def test_counting_from_one_is_recognised(labels: set[int], num_classes: int, expected: bool) -> None:
    assert counts_from_one(labels, num_classes) is expected


@given(st.sets(st.integers(0, 20), min_size=1), st.integers(2, 20))
def test_labels_that_are_right_are_never_taken_to_count_from_one(labels: set[int], num_classes: int) -> None:
    inside = {label for label in labels if label < num_classes}
    assert not counts_from_one(inside, num_classes)


def test_labels_from_one_are_shifted_and_told(tmp_path: Path) -> None:
    for label in (1, 2, 3, 5):
        (tmp_path / f"class_{label}_example_0.png").touch()
    listing = list_examples(tmp_path, num_classes=5)
    assert [name.label for name in listing.names] == [0, 1, 2, 4]
    assert _codes(listing) == {
        "labels_counted_from_one": Severity.WARNING,
        "class_without_examples": Severity.WARNING,
    }
    assert listing.findings[-1].evidence == {"classes": [3]}


def test_labels_beside_the_images_are_shifted_as_well(tmp_path: Path) -> None:
    listing = list_examples(_round11(tmp_path, {0: b"2", 1: b"1"}), num_classes=2)
    assert [name.label for name in listing.names] == [1, 0]


@pytest.mark.parametrize("labels", [(0, 1, 5), (1, 2, 6), (1, 2)])
def test_other_labels_are_left_as_they_are(labels: tuple[int, ...], tmp_path: Path) -> None:
    for label in labels:
        (tmp_path / f"class_{label}_example_0.png").touch()
    listing = list_examples(tmp_path, num_classes=5)
    assert [name.label for name in listing.names] == [label for label in labels if label < 5]
    assert "labels_counted_from_one" not in _codes(listing)


def test_the_documentation_and_the_error_name_the_sizes_that_are_taken() -> None:
    """docs/infer.md has a row for each profile; the error for a folder without a usable image lists the same sizes."""
    text = (HOME / "docs" / "infer.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| `")]
    documented = {name: (sides, seen) for names, sides, seen, _ in rows for name in re.findall(r"`(\w+)`", names)}
    expected = {
        profile.name: (" or ".join(map(str, dict.fromkeys((profile.uncropped, profile.crop)))), str(profile.crop))
        for profile in PROFILES.values()
    }
    assert documented == expected
    told = nothing_usable(Path("x"), ()).expected
    sizes = {int(side) for sides, _ in documented.values() for side in re.findall(r"[0-9]+", sides)}
    assert {int(side) for side in re.findall(r"\b[0-9]{2,3}\b", told.split(", ")[-1])} == sizes
