"""Listing, selection and decoding of examples; PNG files are built by hand where Pillow would not write them."""

import io
import os
import struct
import time
import zlib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from detector.base.errors import ExamplesError, ExitCode
from detector.base.findings import Severity
from detector.base.limits import LIMITS, ImageLimits
from detector.examples import listing as listing_module
from detector.examples import png
from detector.examples.images import Examples, Listing, decode, list_examples, load_examples, select, takes_any
from detector.pruning.theta import SelectionRule
from detector.rounds.example_names import ExampleName
from detector.rounds.preprocessing import PROFILES, SMALL_INPUT_SIZE, SMALL_UNCROPPED_SIZE

PAPER, NIST = SelectionRule.PAPER, SelectionRule.NIST
RGB, ROUND1 = PROFILES["round4"], PROFILES["round1"]


def _chunk(tag: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + tag + body + struct.pack(">I", zlib.crc32(tag + body))


def _png(pixels: np.ndarray, depth: int = 8, colour: int = 2, before: bytes = b"", header: bytes = b"") -> bytes:
    """A PNG written from the format's definition; `pixels` is (H, W, C), uint8 or big-endian uint16."""
    height, width = pixels.shape[:2]
    header = header or _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    return b"\x89PNG\r\n\x1a\n" + header + before + _chunk(b"IDAT", zlib.compress(rows, 1)) + _chunk(b"IEND", b"")


def _random(seed: int = 0, side: int = 224, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, channels), dtype=np.uint8)


def _pillow(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def _fill(directory: Path, classes: int = 2, per_class: int = 3) -> Path:
    directory.mkdir(exist_ok=True)
    for label in range(classes):
        for number in range(per_class):
            content = _png(_random(seed=100 * label + number))
            (directory / f"class_{label}_example_{number}.png").write_bytes(content)
    return directory


def _findings(result: Examples | Listing) -> dict[str, Severity]:
    return {finding.code: finding.severity for finding in result.findings}


def _listing(*names: str) -> Listing:
    """A listing without files, for the rules of selection."""
    ordered = sorted(names)
    parsed = tuple(ExampleName(int(name.split("_")[1]), int(name.split("_")[3].split(".")[0])) for name in ordered)
    return Listing(Path("x"), tuple(Path("x", name) for name in ordered), parsed, ())


# --- decoding


def test_pixels_are_what_was_written(tmp_path: Path) -> None:
    pixels = [_random(seed) for seed in range(3)]
    for number, image in enumerate(pixels):
        (tmp_path / f"class_{number}_example_0.png").write_bytes(_png(image))
    examples = load_examples(tmp_path, RGB, 3, PAPER, num_classes=3)
    expected = np.stack([image.transpose(2, 0, 1).astype(np.float32) / np.float32(255) for image in pixels])
    np.testing.assert_array_equal(examples.images, expected)
    assert examples.images.dtype == np.float32
    assert examples.labels.tolist() == [0, 1, 2]
    assert examples.labels.dtype == np.int64
    assert examples.names == tuple(f"class_{c}_example_0.png" for c in range(3))
    assert examples.findings == ()


def test_256_pixels_are_cropped_at_16(tmp_path: Path) -> None:
    pixels = _random(side=256)
    (tmp_path / "class_0_example_0.png").write_bytes(_png(pixels))
    examples = load_examples(tmp_path, RGB, 1, PAPER)
    expected = pixels[16:240, 16:240].transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(examples.images[0], expected)


def _palette() -> bytes:
    return _pillow(Image.fromarray(_random()).quantize(64))


def _animation() -> bytes:
    frames = [Image.fromarray(_random(seed)) for seed in range(2)]
    return _pillow(frames[0], save_all=True, append_images=frames[1:])


def _opaque_rgba(alpha: int = 255) -> bytes:
    return _png(np.dstack([_random(), np.full((224, 224, 1), alpha, dtype=np.uint8)]), colour=6)


def _jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(_random()).convert("CMYK").save(buffer, "JPEG")
    return buffer.getvalue()


def _text_bomb() -> bytes:
    return _png(_random(), before=_chunk(b"zTXt", b"x\0\0" + zlib.compress(b"a" * (1 << 24))))


def _bomb_header(side: int = 20_000) -> bytes:
    return _chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))


UNUSABLE = {
    "16-bit RGB": (_png(_random(channels=6), depth=16), "sixteen_bit"),
    "16-bit grayscale": (_png(_random(channels=2), depth=16, colour=0), "sixteen_bit"),
    "truncated": (_png(_random())[:5000], "damaged"),
    "header only": (_png(_random())[:33], "damaged"),
    "bomb": (_png(np.zeros((1, 1, 3), np.uint8), header=_bomb_header()), "wrong_size"),
    "bomb behind a second header": (_png(_random(), before=_bomb_header()), "damaged"),
    "other size behind a second header": (
        _png(_random(side=500), header=_bomb_header(224), before=_bomb_header(500)),
        "damaged",
    ),
    "1 x 1": (_png(_random(side=1)), "wrong_size"),
    "not square": (_png(_random(side=256)[:224]), "wrong_size"),
    "300 x 300": (_png(_random(side=300)), "wrong_size"),
    "animated": (_animation(), "animated"),
    "transparent": (_opaque_rgba(254), "transparent"),
    "colour key in use": (
        _png(np.zeros((224, 224, 3), np.uint8), before=_chunk(b"tRNS", bytes(6))),
        "transparent",
    ),
    "CMYK JPEG in disguise": (_jpeg(), "not_png"),
    "flood of empty chunks": (_png(_random(), before=_chunk(b"teSt", b"") * 340_000)[: 4 * 2**20], "too_many_parts"),
    "flood of empty parts of the picture": (_png(_random(), before=_chunk(b"IDAT", b"") * 5000), "too_many_parts"),
    "empty": (b"", "not_png"),
    "text": (b"version https://git-lfs.github.com/spec/v1\n" * 3, "not_png"),
    "huge file": (b"\x89PNG\r\n\x1a\n" + bytes(5 * 2**20), "file_too_big"),
    "bad colour type": (
        _png(_random(), header=_chunk(b"IHDR", struct.pack(">IIBBBBB", 224, 224, 8, 9, 0, 0, 0))),
        "damaged",
    ),
}

CONVERTED = {
    "grayscale": _png(_random(channels=1), colour=0),
    "grayscale with alpha": _png(
        np.dstack([_random(channels=1), np.full((224, 224, 1), 255, np.uint8)]), colour=4
    ),
    "palette": _palette(),
    "RGBA": _opaque_rgba(),
    "1-bit": _pillow(Image.fromarray(_random()).convert("1")),
}  # fmt: skip


@pytest.mark.hostile
@pytest.mark.parametrize("kind", UNUSABLE)
def test_unusable_images_are_replaced_and_told(kind: str, tmp_path: Path) -> None:
    content, code = UNUSABLE[kind]
    _fill(tmp_path, classes=1)
    (tmp_path / "class_0_example_0.png").write_bytes(content)
    examples = load_examples(tmp_path, RGB, 1, NIST)  # of three, NIST's rule takes index 1
    assert examples.names == ("class_0_example_1.png",)
    examples = decode(list_examples(tmp_path), (0,), RGB)
    assert examples.names == ("class_0_example_1.png",)
    assert examples.stands_for == (0,)
    expected = {f"examples_{code}": Severity.WARNING, "examples_replaced": Severity.WARNING}
    assert _findings(examples) == expected


@pytest.mark.hostile
@pytest.mark.parametrize("kind", UNUSABLE)
def test_nothing_but_unusable_images(kind: str, tmp_path: Path) -> None:
    (tmp_path / "class_0_example_0.png").write_bytes(UNUSABLE[kind][0])
    with pytest.raises(ExamplesError, match="no usable example image") as caught:
        load_examples(tmp_path, RGB, 10, PAPER)
    assert caught.value.exit_code is ExitCode.EXAMPLES_UNUSABLE


@pytest.mark.parametrize("kind", CONVERTED)
def test_converted_images_are_used_and_told(kind: str, tmp_path: Path) -> None:
    (tmp_path / "class_0_example_0.png").write_bytes(CONVERTED[kind])
    examples = load_examples(tmp_path, RGB, 1, PAPER)
    assert len(examples) == 1
    assert _findings(examples) == {"examples_converted": Severity.WARNING}


def test_grayscale_becomes_three_equal_channels(tmp_path: Path) -> None:
    gray = _random(channels=1)
    (tmp_path / "class_0_example_0.png").write_bytes(_png(gray, colour=0))
    image = load_examples(tmp_path, RGB, 1, PAPER).images[0]
    for channel in image:
        np.testing.assert_array_equal(channel, gray[:, :, 0].astype(np.float32) / np.float32(255))


def test_opaque_rgba_loses_only_its_alpha(tmp_path: Path) -> None:
    (tmp_path / "class_0_example_0.png").write_bytes(_opaque_rgba())
    (tmp_path / "class_1_example_0.png").write_bytes(_png(_random()))
    images = load_examples(tmp_path, RGB, 2, PAPER).images
    np.testing.assert_array_equal(images[0], images[1])


def test_constant_images_are_told(tmp_path: Path) -> None:
    (tmp_path / "class_0_example_0.png").write_bytes(_png(np.full((224, 224, 3), 9, np.uint8)))
    examples = load_examples(tmp_path, ROUND1, 1, PAPER)
    assert not examples.images.any()
    assert _findings(examples) == {"examples_constant": Severity.WARNING}


def test_256_pixels_are_cropped_for_every_round(tmp_path: Path) -> None:
    pixels = _random(side=256)
    (tmp_path / "class_0_example_0.png").write_bytes(_png(pixels))
    for profile in PROFILES.values():
        if profile.crop == 224:  # not `small`, and not Round 11, which crops nothing
            found = decode(list_examples(tmp_path), [0], profile).images[0]
            np.testing.assert_array_equal(found, profile(pixels[16:240, 16:240]))


def test_images_of_small_rounds_are_cropped_in_the_middle(tmp_path: Path) -> None:
    pixels, margin = _random(side=SMALL_UNCROPPED_SIZE), (SMALL_UNCROPPED_SIZE - SMALL_INPUT_SIZE) // 2
    (tmp_path / "class_0_example_0.png").write_bytes(_png(pixels))
    found = decode(list_examples(tmp_path), [0], PROFILES["small"]).images[0]
    np.testing.assert_array_equal(found, PROFILES["small"](pixels[margin:-margin, margin:-margin]))


@pytest.mark.parametrize(
    ("side", "fitting"),
    [(256, "round2"), (224, "round2"), (SMALL_UNCROPPED_SIZE, "small"), (SMALL_INPUT_SIZE, "small"), (100, "")],
)
def test_profiles_take_images_by_their_size(tmp_path: Path, side: int, fitting: str) -> None:
    """One image of the right size among broken ones is enough."""
    (tmp_path / "class_0_example_0.png").write_bytes(b"no image")
    (tmp_path / "class_0_example_1.png").write_bytes(_png(_random(side=side))[:25])  # no more than the header is read
    listing = list_examples(tmp_path)
    assert {name for name in ("round2", "small") if takes_any(listing, PROFILES[name])} == {fitting} - {""}


@pytest.mark.hostile
def test_a_bomb_is_refused_before_any_decoder_sees_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "class_0_example_0.png").write_bytes(UNUSABLE["bomb"][0])
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("opened"))
    with pytest.raises(ExamplesError):
        load_examples(tmp_path, RGB, 1, PAPER)


METADATA = {
    "colour profile of 2 MB": _pillow(Image.fromarray(_random()), icc_profile=bytes(range(256)) * 8000),
    "colour profile of random 2 MB": _pillow(
        Image.fromarray(_random()), icc_profile=np.random.default_rng(0).bytes(2 * 2**20)
    ),
    "XMP of 2 MB": _png(_random(), before=_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b"x" * 2**21)),
    "packed XMP": _png(_random(), before=_chunk(b"iTXt", b"x\0\1\0\0\0" + zlib.compress(b"x" * 2**26))),
    "text bomb": _text_bomb(),
    "62 texts of 1 MB": _png(_random(), before=_chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(2**20))) * 62),
    "damaged text": _png(_random(), before=_chunk(b"zTXt", b"x\0\0damaged")),
    "wrong checksum of a text": _png(_random(), before=_chunk(b"tEXt", b"x\0y")[:-4] + b"sum!"),
    "turned by EXIF": _png(_random(), before=_chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0")),
    "private parts": _png(_random(), before=_chunk(b"prIv", bytes(1000)) + _chunk(b"gAMA", bytes(4))),
    "something after the end": _png(_random()) + bytes(1000),
}


@pytest.mark.hostile
@pytest.mark.parametrize("kind", METADATA)
def test_metadata_are_passed_over(kind: str, tmp_path: Path) -> None:
    (tmp_path / "class_0_example_0.png").write_bytes(METADATA[kind])
    began = time.monotonic()
    examples = load_examples(tmp_path, RGB, 1, PAPER)
    assert time.monotonic() - began < 2
    np.testing.assert_array_equal(examples.images[0], _random().transpose(2, 0, 1).astype(np.float32) / np.float32(255))
    assert examples.findings == ()


@pytest.mark.hostile
def test_a_decoder_sees_nothing_but_the_picture() -> None:
    for content in METADATA.values():
        found = png.picture(content).content
        tags, place = [], 8
        while place < len(found):
            tags.append(found[place + 4 : place + 8])
            place += 12 + int.from_bytes(found[place : place + 4])
        assert tags[0] == b"IHDR"
        assert tags[-1] == b"IEND"
        assert set(tags[1:-1]) == {b"IDAT"}


@pytest.mark.hostile
@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(8, 2000), st.binary(min_size=1, max_size=8)), min_size=1, max_size=5))
def test_no_damage_gets_past_the_typed_error(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, bytes]]
) -> None:
    directory = tmp_path_factory.mktemp("damaged")
    content = bytearray(_pillow(Image.new("P", (224, 224), 3), dpi=(72, 72)) + bytes(2000))
    for place, patch in edits:
        content[place : place + len(patch)] = patch
    (directory / "class_0_example_0.png").write_bytes(content)
    try:
        examples = load_examples(directory, RGB, 1, PAPER)
    except ExamplesError:
        return
    assert examples.images.shape == (1, 3, 224, 224)


def test_only_the_selected_images_are_opened(tmp_path: Path) -> None:
    _fill(tmp_path, classes=1, per_class=3)
    (tmp_path / "class_0_example_0.png").write_bytes(b"broken")
    (tmp_path / "class_0_example_2.png").write_bytes(b"broken")
    assert load_examples(tmp_path, RGB, 1, PAPER).findings == ()


def test_replacements_come_from_the_same_class_first(tmp_path: Path) -> None:
    _fill(tmp_path, classes=3, per_class=3)
    (tmp_path / "class_1_example_2.png").write_bytes(b"broken")
    listing = list_examples(tmp_path)
    examples = decode(listing, (3, 5), RGB)  # class 1: images 0 and 2
    assert examples.names == ("class_1_example_0.png", "class_1_example_1.png")
    (tmp_path / "class_1_example_1.png").write_bytes(b"broken")
    examples = decode(listing, (3, 5), RGB)
    assert examples.names == ("class_1_example_0.png", "class_2_example_0.png")  # its class has no other
    assert examples.labels.tolist() == [1, 2]
    assert examples.stands_for == (3, 5)


def test_fewer_usable_than_asked_for(tmp_path: Path) -> None:
    _fill(tmp_path, classes=1, per_class=3)
    (tmp_path / "class_0_example_1.png").write_bytes(b"broken")
    examples = load_examples(tmp_path, RGB, 10, NIST)
    assert examples.names == ("class_0_example_0.png", "class_0_example_2.png")
    assert examples.images.shape == (2, 3, 224, 224)
    assert "fewer_examples" in _findings(examples)


def test_subsets_of_decoded_images(tmp_path: Path) -> None:
    _fill(tmp_path, classes=2, per_class=2)
    examples = decode(list_examples(tmp_path), (0, 1, 3), RGB)
    part = examples.subset((3, 1))
    assert part.names == ("class_0_example_1.png", "class_1_example_1.png")
    assert part.labels.tolist() == [0, 1]
    np.testing.assert_array_equal(part.images, examples.images[1:])
    np.testing.assert_array_equal(part.pixels, examples.pixels[1:])


def test_pixels_are_kept_as_they_were_before_order_and_scaling(tmp_path: Path) -> None:
    """Of images that are cropped and replaced as well; the same preprocessing makes the images of them."""
    for number in range(3):
        (tmp_path / f"class_{number}_example_0.png").write_bytes(_png(_random(number, side=256)))
    (tmp_path / "class_1_example_0.png").write_bytes(b"no image")
    examples = decode(list_examples(tmp_path), (0, 1), ROUND1)
    expected = [_random(number, side=256)[16:240, 16:240].transpose(2, 0, 1) for number in (0, 2)]
    np.testing.assert_array_equal(examples.pixels, expected)
    assert examples.pixels.dtype == np.uint8
    np.testing.assert_array_equal(examples.images, ROUND1.scaled(examples.pixels))


# --- listing


def test_everything_that_is_no_example_is_left_out(tmp_path: Path) -> None:
    directory = _fill(tmp_path / "with blanks \N{SNOWMAN} class_9_example_9", classes=1, per_class=1)
    content = _png(_random())
    for name in (
        "data.csv", "._class_0_example_5.png", ".DS_Store", "class_0_example_1.jpg", "trigger_0.png",
        "class_0_trigger_0_example_1.png", "class_2_example_0.png", "class_1_example_3.PNG", "sch\N{SNOWMAN}n.png",
    ):  # fmt: skip
        (directory / name).write_bytes(content)
    (directory / "class_0_example_6.png").mkdir()
    (directory / "class_0_example_7.png").symlink_to("class_0_example_0.png")
    os.mkfifo(directory / "class_0_example_8.png")
    listing = list_examples(directory, num_classes=2)
    linked = "class_0_example_7.png"  # a link to a regular file is followed
    assert [path.name for path in listing.paths] == ["class_0_example_0.png", linked, "class_1_example_3.PNG"]
    assert listing.names == (ExampleName(0, 0), ExampleName(0, 7), ExampleName(1, 3))
    counts = {finding.code: (finding.severity, finding.evidence["count"]) for finding in listing.findings}
    assert counts == {
        "examples_data_csv_ignored": (Severity.INFO, 1),
        "examples_hidden_ignored": (Severity.INFO, 2),
        "examples_directory_ignored": (Severity.INFO, 1),
        "examples_irregular_ignored": (Severity.WARNING, 1),
        "examples_suffix_ignored": (Severity.INFO, 1),
        "examples_name_unreadable": (Severity.WARNING, 2),
        "examples_poisoned_ignored": (Severity.INFO, 1),
        "examples_label_out_of_range": (Severity.ERROR, 1),
    }


def test_names_are_sorted_as_text(tmp_path: Path) -> None:
    for label in (0, 2, 10):
        (tmp_path / f"class_{label}_example_0.png").touch()
    labels = [name.label for name in list_examples(tmp_path).names]
    assert labels == [0, 10, 2]


def test_a_class_without_images_is_told(tmp_path: Path) -> None:
    (tmp_path / "class_1_example_0.png").touch()
    (finding,) = list_examples(tmp_path, num_classes=4).findings
    assert (finding.code, finding.severity) == ("class_without_examples", Severity.WARNING)
    assert finding.evidence["classes"] == [0, 2, 3]


@pytest.mark.hostile
def test_names_cannot_forge_lines_or_break_utf8(tmp_path: Path) -> None:
    (tmp_path / "class_0_example_0.png").touch()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\x1b[31m\nerror: \xff.png")).touch()
    (finding,) = list_examples(tmp_path).findings
    assert finding.message.isprintable()
    files: Any = finding.evidence["files"]
    assert files[0].encode("utf-8")


@pytest.mark.parametrize("kind", ["missing", "file", "empty", "only poisoned"])
def test_directories_without_examples(kind: str, tmp_path: Path) -> None:
    directory = tmp_path / "examples"
    if kind == "file":
        directory.touch()
    elif kind != "missing":
        directory.mkdir()
    if kind == "only poisoned":
        (directory / "class_0_trigger_0_example_1.png").touch()
    with pytest.raises(ExamplesError):
        list_examples(directory)


@pytest.mark.hostile
def test_a_flood_of_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing_module, "LIMITS", replace(LIMITS, images=ImageLimits(entries=5)))
    for number in range(5):
        (tmp_path / f"class_0_example_{number}.png").touch()
    assert len(list_examples(tmp_path)) == 5
    (tmp_path / "class_0_example_5.png").touch()
    with pytest.raises(ExamplesError, match="more than 5 entries"):
        list_examples(tmp_path)


# --- selection


def test_nist_rule_on_round_1() -> None:
    listing = _listing(*(f"class_{c}_example_{n}.png" for c in range(5) for n in range(100)))
    chosen = select(listing, 10, NIST)
    assert chosen == (25, 75, 125, 175, 225, 275, 325, 375, 425, 475)
    assert [listing.names[i].label for i in chosen] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


@pytest.mark.parametrize(
    ("available", "asked", "expected"),
    [
        (3, 10, [0, 1, 2]),  # nD = 3, step 1
        (10, 10, list(range(10))),
        (19, 10, list(range(10))),  # step 1: capped at nD, the tail never used
        (25, 10, [1, 3, 5, 7, 9, 11, 13, 15, 17, 19]),  # step 2, half a step is 1
        (7, 2, [1, 4]),  # step 3: 1, 4 and not 7
        (1, 1, [0]),
        (30, 10, [1, 4, 7, 10, 13, 16, 19, 22, 25, 28]),
    ],
)
def test_nist_rule_by_hand(available: int, asked: int, expected: list[int]) -> None:
    listing = _listing(*(f"class_0_example_{n}.png" for n in range(available)))
    assert list(select(listing, asked, NIST)) == expected


def test_paper_rule_shares_out_among_classes() -> None:
    listing = _listing(*(f"class_{c}_example_{n}.png" for c in range(12) for n in range(20)))
    chosen = select(listing, 30, PAPER)
    assert sorted(set(chosen)) == list(chosen)
    counts = Counter(listing.names[i].label for i in chosen)
    assert [counts[c] for c in range(12)] == [3] * 6 + [2] * 6


def test_paper_rule_spreads_by_number_not_by_text() -> None:
    listing = _listing(*(f"class_0_example_{n}.png" for n in range(20)))
    numbers = sorted(listing.names[i].number for i in select(listing, 4, PAPER))
    assert numbers == [2, 7, 12, 17]


def test_paper_rule_takes_turns_when_a_class_runs_out() -> None:
    listing = _listing("class_0_example_0.png", *(f"class_1_example_{n}.png" for n in range(9)))
    counts = Counter(listing.names[i].label for i in select(listing, 4, PAPER))
    assert counts == {0: 1, 1: 3}


@settings(deadline=None)
@given(st.lists(st.integers(1, 8), min_size=1, max_size=10), st.integers(1, 60), st.sampled_from(SelectionRule))
def test_selections_are_distinct_and_complete(sizes: list[int], asked: int, rule: SelectionRule) -> None:
    listing = _listing(*(f"class_{c}_example_{n}.png" for c, size in enumerate(sizes) for n in range(size)))
    chosen = select(listing, asked, rule)
    assert len(set(chosen)) == len(chosen) == min(asked, sum(sizes))
    assert all(0 <= index < sum(sizes) for index in chosen)
    if rule is PAPER:
        counts = Counter(listing.names[i].label for i in chosen)
        assert all(counts[c] == size or counts[c] >= max(counts.values()) - 1 for c, size in enumerate(sizes))


def test_at_least_one_image() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        select(_listing("class_0_example_0.png"), 0, PAPER)
