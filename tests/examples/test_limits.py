"""Totals over a folder: what one image may ask for, six hundred links to it may not."""

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detector.base.budget import Budget
from detector.base.errors import DeadlineError, ExamplesError
from detector.base.limits import LIMITS, ImageLimits
from detector.examples.allowance import Allowance, SpentError
from detector.examples.images import decode, list_examples
from detector.rounds.preprocessing import PROFILES

RGB = PROFILES["round4"]


class _Ticking:
    """A clock that goes on by a second whenever it is asked."""

    def __init__(self) -> None:
        self._times: Iterator[float] = iter(range(10**9))

    def now(self) -> float:
        return float(next(self._times))


def _folder(directory: Path, count: int = 6) -> Path:
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (224, 224, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(directory / f"class_0_example_{number}.png")
    return directory


def test_an_allowance_is_spent_by_any_of_the_three() -> None:
    limits = ImageLimits(all_bytes=10, all_parts=10, all_pixels=10)
    for asked in ({"num_bytes": 11}, {"parts": 11}, {"pixels": 11}):
        with pytest.raises(SpentError):
            Allowance(limits).take(**asked)
    allowance = Allowance(limits)
    allowance.take(10, 10, 10)
    with pytest.raises(SpentError):
        allowance.take(parts=1)


@pytest.mark.parametrize("limits", [{"all_pixels": 3 * 224**2}, {"all_bytes": 500_000}, {"all_parts": 11}])
def test_what_was_read_before_the_limit_is_used(limits: dict[str, int], tmp_path: Path) -> None:
    listing = list_examples(_folder(tmp_path))
    examples = decode(listing, range(6), RGB, limits=ImageLimits(**limits))
    assert 0 < len(examples) < 6
    assert examples.names == tuple(f"class_0_example_{number}.png" for number in range(len(examples)))
    (finding,) = examples.findings
    assert finding.code == "examples_limit_of_folder"
    np.testing.assert_array_equal(examples.images, decode(listing, range(len(examples)), RGB).images)


def test_a_limit_that_the_first_image_breaks_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ExamplesError, match="all images together"):
        decode(list_examples(_folder(tmp_path, 2)), range(2), RGB, limits=ImageLimits(all_pixels=100))


@pytest.mark.hostile
@pytest.mark.parametrize("parts", [0, LIMITS.images.file_parts - 100])
def test_links_to_one_file_add_up(parts: int, tmp_path: Path) -> None:
    _folder(tmp_path, 1)
    file = tmp_path / "class_0_example_0.png"
    content = file.read_bytes()
    empty = bytes(4) + b"teSt" + zlib.crc32(b"teSt").to_bytes(4)
    file.write_bytes(content[:33] + empty * parts + content[33:-500])  # the picture is cut: each link is tried in vain
    for number in range(1, 600):
        (tmp_path / f"class_0_example_{number}.png").symlink_to(file)
    listing = list_examples(tmp_path)
    limits = ImageLimits(all_bytes=20 * file.stat().st_size, all_parts=20 * (parts + 10))
    with pytest.raises(ExamplesError, match="all images together") as caught:
        decode(listing, range(10), RGB, limits=limits)
    assert "damaged" in caught.value.what
    tried = int(caught.value.what.split("images are skipped (")[1].split(",")[0])
    assert 10 <= tried <= 20


def test_the_budget_is_asked_between_images(tmp_path: Path) -> None:
    listing = list_examples(_folder(tmp_path))
    assert len(decode(listing, range(6), RGB, Budget(_Ticking(), 0.0, 100.0))) == 6
    with pytest.raises(DeadlineError, match="before the images were decoded"):
        decode(listing, range(6), RGB, Budget(_Ticking(), 0.0, 4.0))


def test_the_limits_leave_room_for_a_thousand_images_of_any_round() -> None:
    """`train_num_images` allows a thousand; 256 x 256 RGB pixels that do not compress have 0.2 MB."""
    side = max(profile.uncropped for profile in PROFILES.values())
    assert LIMITS.images.all_pixels >= 1000 * side**2
    assert LIMITS.images.all_bytes >= 1000 * side**2 * 3
    assert LIMITS.images.all_parts >= 1000 * (side**2 * 3 // 8192 + 10)
