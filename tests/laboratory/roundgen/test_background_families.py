"""Families of backgrounds: images in range, of their kind, and a function of the generator."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from laboratory.roundgen.background_families import backgrounds_of_family
from laboratory.roundgen.variety import BackgroundFamily, Material

DRAWN = [family for family in BackgroundFamily if family is not BackgroundFamily.SCENES]


def images_of(family: BackgroundFamily, count: int = 12, canvas: int = 54, seed: int = 0) -> Tensor:
    draw = backgrounds_of_family(family, 1, canvas, Material())
    return draw(count, canvas, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("family", DRAWN)
@pytest.mark.parametrize("canvas", [54, 256])
def test_backgrounds_are_varied_images_in_range(family: BackgroundFamily, canvas: int) -> None:
    images = images_of(family, 6, canvas)
    assert images.shape == (6, 3, canvas, canvas)
    assert float(images.min()) >= 0
    assert float(images.max()) <= 1
    assert float(images.flatten(1).std(1).median()) > 0.05
    assert all(not torch.equal(images[0], other) for other in images[1:])


@pytest.mark.parametrize("family", DRAWN)
def test_backgrounds_are_a_function_of_the_generator(family: BackgroundFamily) -> None:
    assert torch.equal(images_of(family), images_of(family))
    assert not torch.equal(images_of(family), images_of(family, seed=1))


def test_patterns_repeat_and_have_hard_edges() -> None:
    images = images_of(BackgroundFamily.PATTERNS, 40, 128)
    steps = images.diff(dim=-1).abs().amax(1)
    assert float((steps > 0.05).float().mean()) < 0.35
    assert float(steps.amax((1, 2)).median()) > 0.15


def test_noise_falls_with_frequency() -> None:
    power = torch.fft.rfft2(images_of(BackgroundFamily.NOISE, 40, 64).mean(1)).abs().mean(0)
    assert float(power[1, 1]) > 3 * float(power[8, 8]) > 3 * float(power[28, 28])


def test_one_image_can_be_asked_for_of_the_mixed_family() -> None:
    assert images_of(BackgroundFamily.MIXED, 1).shape == (1, 3, 54, 54)


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """Two wide pictures whose red grows to the right; one of them is blue."""
    ramp = np.zeros((100, 300, 3), dtype=np.uint8)
    ramp[..., 0] = np.linspace(0, 255, 300).astype(np.uint8)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    ramp[..., 2] = 255
    Image.fromarray(ramp).save(tmp_path / "b.png")
    return tmp_path


def test_scenes_are_square_crops_of_every_picture_at_every_place_and_size(scenes: Path) -> None:
    draw = backgrounds_of_family(BackgroundFamily.SCENES, 1, 32, Material(None, scenes))
    images = draw(200, 32, torch.Generator().manual_seed(0))
    assert images.shape == (200, 3, 32, 32)
    assert 60 < int((images[:, 2].mean((1, 2)) > 0.5).sum()) < 140
    left, right = images[:, 0, :, 0].mean(1), images[:, 0, :, -1].mean(1)
    assert float(left.min()) < 0.05
    assert float(right.max()) > 0.95
    # A crop is 40 to 100 of 300 pixels wide.
    assert float((right - left).min()) > 0.11
    assert float((right - left).max()) < 0.35


def test_scenes_need_a_folder_with_pictures(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--backgrounds"):
        backgrounds_of_family(BackgroundFamily.SCENES, 1, 32, Material())
    with pytest.raises(ValueError, match="no PNG or JPEG"):
        backgrounds_of_family(BackgroundFamily.SCENES, 1, 32, Material(None, tmp_path))
