"""JPEG files as Round 11 and cameras write them, against Pillow's reading of the untouched file."""

import contextlib
import io
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from detector.base.errors import ExamplesError
from detector.base.findings import Severity
from detector.base.limits import LIMITS
from detector.examples import jpeg
from detector.examples.images import Examples, decode, list_examples, load_examples, takes_any
from detector.examples.troubles import UnusableError
from detector.pruning.theta import SelectionRule
from detector.rounds.preprocessing import PROFILES

ROUND11, PAPER = PROFILES["round11"], SelectionRule.PAPER


def _image(seed: int = 0, side: int = 256) -> Image.Image:
    small = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((side, side))


def _jpeg(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def _several_pictures() -> bytes:
    buffer = io.BytesIO()
    _image().save(buffer, "MPO", save_all=True, append_images=[_image(1)])
    return buffer.getvalue()


def _segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def _put(directory: Path, content: bytes, number: int = 0, label: str = "0") -> None:
    (directory / f"{number}.jpg").write_bytes(content)
    (directory / f"{number}.json").write_text(label)


def _codes(result: Examples) -> dict[str, Severity]:
    return {finding.code: finding.severity for finding in result.findings}


EXIF = Image.Exif()
EXIF[0x0112] = 6  # turned by 90 degrees
PLAIN = _jpeg(_image())
USABLE = {
    "baseline": PLAIN,
    "progressive": _jpeg(_image(), progressive=True),
    "full colour resolution": _jpeg(_image(), subsampling=0, quality=95),
    "with restarts": _jpeg(_image(), restart_marker_blocks=4),
    "stored as RGB": _jpeg(_image(), keep_rgb=True),
    "colour profile of 2 MB": _jpeg(_image(), icc_profile=bytes(range(256)) * 8000),
    "turned": _jpeg(_image(), exif=EXIF),
    "XMP and comment": _jpeg(_image(), xmp=b"x" * 60_000, comment=b"c" * 60_000),
    "many fill bytes": PLAIN[:2] + b"\xff" * 100_000 + PLAIN[2:],
    "something after the end": PLAIN + bytes(100_000),
    "several pictures": _several_pictures(),
}  # fmt: skip


@pytest.mark.parametrize("kind", USABLE)
def test_pixels_are_those_that_pillow_finds(kind: str, tmp_path: Path) -> None:
    _put(tmp_path, USABLE[kind])
    examples = load_examples(tmp_path, ROUND11, 1, PAPER)
    expected = np.asarray(Image.open(io.BytesIO(USABLE[kind])).convert("RGB")).transpose(2, 0, 1)
    np.testing.assert_array_equal(examples.images[0], expected.astype(np.float32) / np.float32(255))
    assert examples.images.shape == (1, 3, 256, 256)
    assert _codes(examples) == {}


def test_grayscale_is_converted_and_told(tmp_path: Path) -> None:
    _put(tmp_path, _jpeg(_image().convert("L")))
    assert _codes(load_examples(tmp_path, ROUND11, 1, PAPER)) == {"examples_converted": Severity.WARNING}


def _frame(content: bytes) -> int:
    return next(content.index(bytes((0xFF, marker))) for marker in (0xC0, 0xC2) if bytes((0xFF, marker)) in content)


def _edited(content: bytes, place: int, patch: bytes) -> bytes:
    return content[:place] + patch + content[place + len(patch) :]


def _scans(count: int) -> bytes:
    """A progressive file whose last scan comes again and again."""
    content = _jpeg(_image(), progressive=True)
    last = content.rindex(b"\xff\xda")
    return content[:-2] + content[last:-2] * count + content[-2:]


UNUSABLE = {
    "empty": (b"", "not_jpeg"),
    "text": (b"version https://git-lfs.github.com/spec/v1\n", "not_jpeg"),
    "PNG in disguise": (b"\x89PNG\r\n\x1a\n" + bytes(100), "not_jpeg"),
    "start alone": (b"\xff\xd8\xff", "damaged"),
    "truncated in the header": (PLAIN[:100], "damaged"),
    "truncated in the picture": (PLAIN[: len(PLAIN) // 2], "damaged"),
    "truncated, end forged": (PLAIN[: _frame(PLAIN) + 30] + b"\xff\xd9", "damaged"),
    "without end": (PLAIN[:-2], "damaged"),
    "two frames": (PLAIN[: _frame(PLAIN) + 19] + PLAIN[_frame(PLAIN) :], "damaged"),
    "bomb": (_edited(PLAIN, _frame(PLAIN) + 5, struct.pack(">HH", 65_000, 65_000)), "wrong_size"),
    "no height": (_edited(PLAIN, _frame(PLAIN) + 5, struct.pack(">HH", 0, 256)), "wrong_size"),
    "300 x 300": (_jpeg(_image(side=300)), "wrong_size"),
    "224 x 224": (_jpeg(_image(side=224)), "wrong_size"),
    "12 bits": (_edited(PLAIN, _frame(PLAIN) + 4, b"\x0c"), "sixteen_bit"),
    "CMYK": (_jpeg(_image().convert("CMYK")), "cmyk"),
    "too many scans": (_scans(LIMITS.images.file_scans), "too_many_parts"),
    "too many segments": (PLAIN[:2] + _segment(0xFE, b"") * LIMITS.images.file_parts + PLAIN[2:], "too_many_parts"),
    "huge": (PLAIN + bytes(5 * 2**20), "file_too_big"),
}  # fmt: skip


@pytest.mark.hostile
@pytest.mark.parametrize("kind", UNUSABLE)
def test_unusable_images_are_replaced_and_told(kind: str, tmp_path: Path) -> None:
    content, code = UNUSABLE[kind]
    _put(tmp_path, content)
    _put(tmp_path, PLAIN, number=1)
    examples = decode(list_examples(tmp_path), (0,), ROUND11)
    assert examples.names == ("1.jpg",)
    assert _codes(examples) == {f"examples_{code}": Severity.WARNING, "examples_replaced": Severity.WARNING}


@pytest.mark.hostile
def test_a_bomb_is_refused_before_any_decoder_sees_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, kind in enumerate(("bomb", "CMYK", "too many scans", "two frames", "huge")):
        _put(tmp_path, UNUSABLE[kind][0], number)
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("opened"))
    with pytest.raises(ExamplesError):
        load_examples(tmp_path, ROUND11, 5, PAPER)


@pytest.mark.hostile
@pytest.mark.parametrize("content", [b"\xff" * (4 * 2**20), b"\xff\xd8" + b"\xff" * 2**21 + b"\0" * 2**21])
def test_no_content_takes_long_to_walk_through(content: bytes) -> None:
    data = PLAIN[:-2] + content + b"\xff\xd9"
    for each in (data, content):
        began = time.monotonic()
        with contextlib.suppress(UnusableError):
            jpeg.picture(each)
        assert time.monotonic() - began < 5


@pytest.mark.hostile
@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(2, len(PLAIN)), st.binary(min_size=1, max_size=8)), min_size=1, max_size=5))
def test_no_damage_gets_past_the_typed_error(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, bytes]]
) -> None:
    directory = tmp_path_factory.mktemp("damaged")
    content = bytearray(USABLE["progressive"] if len(edits) % 2 else PLAIN)
    for place, patch in edits:
        content[place : place + len(patch)] = patch
    _put(directory, bytes(content))
    try:
        examples = load_examples(directory, ROUND11, 1, PAPER)
    except ExamplesError:
        return
    assert examples.images.shape == (1, 3, 256, 256)


def test_sizes_are_read_from_the_header(tmp_path: Path) -> None:
    _put(tmp_path, USABLE["XMP and comment"][: 2**18])
    listing = list_examples(tmp_path)
    assert takes_any(listing, ROUND11)
    assert not takes_any(listing, PROFILES["small"])
