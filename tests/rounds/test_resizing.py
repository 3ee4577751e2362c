"""Photographs made as large as a profile: number for number what torchvision makes of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from detector.rounds.preprocessing import PROFILES
from detector.rounds.resizing import LONGEST_SHAPE, MOST_PIXELS, SMALLEST_SIDE, can_be_resized, resized
from detector.torchvision_ops import torchvision_models


def _photograph(width: int, height: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _torchvision(pixels: np.ndarray, side: int, crop: int) -> np.ndarray:
    torchvision_models()  # whoever imports torchvision first takes this way
    from torchvision.transforms import CenterCrop, Resize

    return np.asarray(CenterCrop(crop)(Resize(side)(Image.fromarray(pixels))))


@settings(max_examples=60, deadline=None)
@given(st.integers(32, 400), st.integers(32, 400), st.integers(32, 96), st.integers(0, 40))
def test_it_is_what_torchvision_does(width: int, height: int, crop: int, margin: int) -> None:
    pixels, side = _photograph(width, height, seed=width), crop + margin
    found = resized(pixels, side, crop)
    assert found.shape == (crop, crop, 3)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, _torchvision(pixels, side, crop))


def test_imagenet_is_what_published_weights_were_trained_with() -> None:
    from torchvision.transforms import Normalize, ToTensor

    pixels = _photograph(640, 427)
    cropped = _torchvision(pixels, 256, 224)
    expected = Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))(ToTensor()(cropped.copy())).numpy()
    found = replace(PROFILES["imagenet"], resized=True)(pixels)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("side", [224, 256])
def test_what_is_of_the_profiles_size_is_not_resized(side: int) -> None:
    pixels = _photograph(side, side)
    plain = PROFILES["round2"]
    np.testing.assert_array_equal(replace(plain, resized=True).cropped(pixels), plain.cropped(pixels))


@pytest.mark.parametrize(
    ("width", "height", "fits"),
    [
        (SMALLEST_SIDE, SMALLEST_SIDE, True),
        (SMALLEST_SIDE - 1, SMALLEST_SIDE, False),
        (4000, 3000, True),
        (3000, 4000, True),
        (100, 100 * LONGEST_SHAPE, True),
        (100, 100 * LONGEST_SHAPE + 1, False),
        (MOST_PIXELS // 4096, 4096, True),
        (MOST_PIXELS // 4096 + 1, 4096, False),
        (1, 2**31 - 1, False),
        (0, 0, False),
    ],
)
def test_what_may_be_resized_is_limited(width: int, height: int, fits: bool) -> None:
    assert can_be_resized(width, height) is fits
    assert replace(PROFILES["small"], resized=True).accepts(width, height) is fits
    assert not PROFILES["small"].accepts(width, height)
