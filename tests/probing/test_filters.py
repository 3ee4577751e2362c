"""The photo filters against pictures that ImageMagick made (data/README.md)."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detector.probing.filters import PhotoFilter, apply_filter

DATA = Path(__file__).parent / "data"
PICTURES = (0, 1, 4, 5)


def read(name: str) -> np.ndarray:
    """(1, 3, S, S) in [0, 1]."""
    pixels = np.asarray(Image.open(DATA / f"{name}.png").convert("RGB"))
    return (pixels.transpose(2, 0, 1)[None] / np.float32(255)).astype(np.float32)


INPUTS = np.concatenate([read(f"input_{number}") for number in PICTURES])


@pytest.mark.parametrize("name", PhotoFilter)
def test_filters_are_imagemagicks_but_for_single_steps_of_rounding(name: PhotoFilter) -> None:
    expected = np.concatenate([read(f"{name}_{number}") for number in PICTURES])
    steps = np.abs(np.rint(255 * apply_filter(name, INPUTS)) - np.rint(255 * expected))
    assert steps.max() <= 1
    assert (steps > 0).mean(axis=(1, 2, 3)).max() < 0.005


@pytest.mark.parametrize("name", PhotoFilter)
def test_a_filter_changes_every_picture_so_that_agreement_says_something(name: PhotoFilter) -> None:
    changes = np.abs(apply_filter(name, INPUTS) - INPUTS).mean(axis=(1, 2, 3))
    assert changes.min() > 9 / 255


@pytest.mark.parametrize("name", PhotoFilter)
def test_batches_give_what_their_images_give_alone(name: PhotoFilter) -> None:
    images = np.random.default_rng(0).random((50, 3, 48, 48), dtype=np.float32)
    alone = [apply_filter(name, image[None]) for image in images]
    np.testing.assert_array_equal(apply_filter(name, images), np.concatenate(alone))


@pytest.mark.parametrize("name", PhotoFilter)
def test_strength_blends_with_the_image(name: PhotoFilter) -> None:
    whole = apply_filter(name, INPUTS)
    np.testing.assert_array_equal(apply_filter(name, INPUTS, 0.0), INPUTS)
    np.testing.assert_allclose(apply_filter(name, INPUTS, 0.25), 0.75 * INPUTS + 0.25 * whole, atol=1e-6)


@pytest.mark.parametrize("name", PhotoFilter)
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_uniform_images_give_numbers(name: PhotoFilter, level: float) -> None:
    filtered = apply_filter(name, np.full((1, 3, 9, 9), level, np.float32))
    assert filtered.dtype == np.float32
    assert filtered.min() >= 0
    assert filtered.max() <= 1


CHECKSUMS = {
    "gotham": 1930958051,
    "nashville": 552864701,
    "kelvin": 1523101287,
    "lomo": 274847407,
    "toaster": 2268623469,
}


@pytest.mark.parametrize("name", PhotoFilter)
def test_filtered_pictures_are_the_same_to_the_bit_everywhere(name: PhotoFilter) -> None:
    """What was seen with and without wide vector instructions."""
    levels = np.rint(255 * apply_filter(name, INPUTS)).astype(np.uint8)
    assert zlib.crc32(levels.tobytes()) == CHECKSUMS[name]


def test_black_under_kelvin_is_what_imagemagick_makes_of_it() -> None:
    black, white = (apply_filter("kelvin", np.full((1, 3, 48, 48), level, np.float32)) for level in (0, 1))
    np.testing.assert_array_equal(np.rint(255 * black[0, :, 20, 20]), [255, 235, 204])
    np.testing.assert_array_equal(np.rint(255 * white[0, :, 20, 20]), [255, 235, 204])


def test_what_is_no_filter_no_strength_and_no_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="sepia"):
        apply_filter("sepia", INPUTS)
    for strength in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="strength"):
            apply_filter("lomo", INPUTS, strength)
    with pytest.raises(ValueError, match="images"):
        apply_filter("lomo", INPUTS[:, :, :50])
