"""Families of signs: functions of the seed, distinct classes, and the geometry that triggers are placed by."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from laboratory.roundgen.sign_families import signs_of_family
from laboratory.roundgen.signs import SPRITE_SIZE, Signs
from laboratory.roundgen.varied import DRAWN_FAMILIES
from laboratory.roundgen.variety import Material, SignFamily

DRAWN = (*DRAWN_FAMILIES, SignFamily.MIXED)


def signs_of(family: SignFamily, seed: int = 3, classes: int = 8) -> Signs:
    return signs_of_family(family, seed, classes, Material())


@pytest.mark.parametrize("family", DRAWN)
def test_signs_are_a_function_of_the_seed(family: SignFamily) -> None:
    assert torch.equal(signs_of(family).sprites, signs_of(family).sprites)
    assert not torch.equal(signs_of(family).sprites, signs_of(family, 4).sprites)


@pytest.mark.parametrize("family", DRAWN)
def test_signs_of_24_classes_differ_visibly_and_have_a_face_to_paint_on(family: SignFamily) -> None:
    signs = signs_of(family, 5, 24)
    assert signs.sprites.shape == (24 * signs.looks, 4, SPRITE_SIZE, SPRITE_SIZE)
    assert len(signs.areas) == len(signs.inner_radii) == len(signs.sprites)
    for one, other in itertools.combinations(signs.sprites[:: signs.looks], 2):
        assert ((one - other).abs().amax(0) > 0.1).float().mean() > 0.02
    assert float(signs.areas.min()) > 0.8
    assert float(signs.inner_radii.min()) > 0.3
    assert bool((signs.areas >= 0.95 * math.pi * signs.inner_radii**2).all())


@pytest.mark.parametrize("family", DRAWN)
def test_colours_are_premultiplied_and_within_range(family: SignFamily) -> None:
    sprites = signs_of(family).sprites
    assert float(sprites.min()) >= 0
    assert bool((sprites[:, :3] <= sprites[:, 3:] + 1e-6).all())


def test_an_object_has_several_looks_in_one_outline() -> None:
    signs = signs_of(SignFamily.OBJECTS)
    looks = signs.sprites.reshape(8, signs.looks, *signs.sprites.shape[1:])
    assert signs.looks > 1
    assert torch.equal(looks[:, 0, 3], looks[:, 1, 3])
    assert bool(((looks[:, 0, :3] - looks[:, 1, :3]).abs().mean((1, 2, 3)) > 0.01).all())


def test_the_mixed_family_has_signs_of_all_that_need_no_pictures() -> None:
    mixed = signs_of(SignFamily.MIXED, 3, 8)
    for position, family in enumerate(DRAWN_FAMILIES):
        signs = signs_of(family, 3, 2)
        assert torch.equal(mixed.sprites[2 * position * mixed.looks], signs.sprites[0]), family


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Discs of six reds, 80 x 40 pixels with wide transparent margins, and a file that is no picture."""
    for index in range(6):
        picture = Image.new("RGBA", (80, 40))
        ImageDraw.Draw(picture).ellipse((30, 10, 49, 29), fill=(40 * index, 0, 0, 255))
        picture.save(tmp_path / f"sign_{index}.png")
    (tmp_path / "README.txt").write_text("signs")
    return tmp_path


def test_street_signs_are_the_pictures_of_the_folder_cut_to_what_is_to_be_seen(pictures: Path) -> None:
    signs = signs_of_family(SignFamily.STREET, 1, 6, Material(pictures))
    reds = (signs.sprites[:, 0, 128, 128] * 255).round().int().tolist()
    assert sorted(reds) == [0, 40, 80, 120, 160, 200]
    assert signs.areas.tolist() == pytest.approx([math.pi] * 6, rel=0.06)
    assert signs.inner_radii.tolist() == pytest.approx([1.0] * 6, abs=0.08)
    other = signs_of_family(SignFamily.STREET, 2, 6, Material(pictures))
    assert (other.sprites[:, 0, 128, 128] * 255).round().int().tolist() != reds


def test_a_wide_picture_keeps_its_shape(tmp_path: Path) -> None:
    Image.fromarray(np.full((20, 60, 3), 200, dtype=np.uint8)).save(tmp_path / "plate.jpg")
    alpha = signs_of_family(SignFamily.STREET, 1, 1, Material(tmp_path)).sprites[0, 3]
    assert float(alpha.mean()) == pytest.approx(1 / 3, abs=0.01)
    assert float(alpha[128, 2]) == 1
    assert float(alpha[20, 128]) == 0


def test_too_few_pictures_are_told(pictures: Path) -> None:
    with pytest.raises(ValueError, match="7 classes need as many pictures"):
        signs_of_family(SignFamily.STREET, 1, 7, Material(pictures))
    with pytest.raises(ValueError, match="--foregrounds"):
        signs_of_family(SignFamily.STREET, 1, 5, Material())
