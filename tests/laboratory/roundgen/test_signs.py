"""Signs: a function of the seed, distinct, with the geometry that triggers are placed by."""

import itertools
import math

import pytest
import torch

from laboratory.roundgen.signs import SPRITE_SIZE, draw_signs


def test_signs_are_a_function_of_the_seed() -> None:
    assert torch.equal(draw_signs(3, 5).sprites, draw_signs(3, 5).sprites)
    assert not torch.equal(draw_signs(3, 5).sprites, draw_signs(4, 5).sprites)


def test_drawing_signs_leaves_torchs_global_generator_alone() -> None:
    before = torch.get_rng_state()
    draw_signs(3, 5)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("seed", [0, 1])
def test_signs_of_24_classes_differ_visibly(seed: int) -> None:
    sprites = draw_signs(seed, 24).sprites
    assert sprites.shape == (24, 4, SPRITE_SIZE, SPRITE_SIZE)
    for one, other in itertools.combinations(sprites, 2):
        assert ((one - other).abs().amax(0) > 0.1).float().mean() > 0.02


def test_colours_are_premultiplied_and_within_range() -> None:
    sprites = draw_signs(1, 8).sprites
    assert float(sprites.min()) >= 0
    assert bool((sprites[:, :3] <= sprites[:, 3:] + 1e-6).all())


def test_areas_and_inner_radii_are_those_of_regular_polygons() -> None:
    signs = draw_signs(2, 42)
    expected = {
        round(math.cos(math.pi / sides), 4): sides / 2 * math.sin(2 * math.pi / sides) for sides in (3, 4, 5, 6, 8, 48)
    }
    seen = {round(float(radius), 4) for radius in signs.inner_radii}
    assert seen == set(expected)
    for radius, area in zip(signs.inner_radii.tolist(), signs.areas.tolist(), strict=True):
        assert area == pytest.approx(expected[round(radius, 4)], abs=0.02)
