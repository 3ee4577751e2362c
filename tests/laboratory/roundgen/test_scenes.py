"""Scenes: what they show, where, and that only the images meant to be triggered carry a trigger of the right size."""

import io
import math
from dataclasses import replace

import pytest
import torch
from PIL import Image
from torch import Tensor

from laboratory.roundgen.recipe import PolygonTrigger
from laboratory.roundgen.scenes import (
    Placements,
    Poses,
    backgrounds,
    compose,
    crop,
    draw_placements,
    draw_poses,
    sign_points,
    trigger_mask,
)
from laboratory.roundgen.shapes import grid
from laboratory.roundgen.signs import Signs, draw_signs

SQUARE = PolygonTrigger(tuple(math.pi * k / 2 for k in range(4)), (0, 0, 0), (2, 25))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def scenes(seed: int, colour: tuple[int, int, int], triggered: Tensor, canvas: int = 128) -> Tensor:
    classes = torch.arange(len(triggered)) % 5
    trigger = replace(SQUARE, colour=colour)
    return compose(draw_signs(1, 5), classes, (30, 50), canvas, generator(seed), trigger, triggered)


@pytest.mark.parametrize("canvas", [64, 72, 256])
def test_scenes_are_colour_images_in_range_and_a_function_of_the_generator(canvas: int) -> None:
    first, again = (compose(draw_signs(1, 5), torch.arange(5), (20, 60), canvas, generator()) for _ in range(2))
    assert first.shape == (5, 3, canvas, canvas)
    assert float(first.min()) >= 0
    assert float(first.max()) <= 1
    assert torch.equal(first, again)
    assert bool((first.std((2, 3)).amax(1) > 0.02).all())


def test_the_crop_takes_the_centre_224_of_256() -> None:
    images = torch.arange(256.0).expand(1, 3, 256, 256)
    assert crop(images).shape == (1, 3, 224, 224)
    assert crop(images)[0, 0, 0, [0, -1]].tolist() == [16, 239]


def test_the_trigger_changes_the_images_meant_to_carry_it_and_no_other() -> None:
    triggered = torch.tensor([True, False] * 8)
    # Same random numbers, another colour: whatever differs is the trigger.
    differs = (scenes(3, (255, 0, 0), triggered) != scenes(3, (0, 0, 255), triggered)).flatten(1).any(1)
    assert torch.equal(differs, triggered)


def test_images_without_triggered_ones_are_those_of_a_clean_model() -> None:
    none = torch.zeros(6, dtype=torch.bool)
    clean = compose(draw_signs(1, 5), torch.arange(6) % 5, (30, 50), 64, generator(3))
    assert torch.equal(scenes(3, (255, 0, 0), none, canvas=64), clean)


def test_the_visible_trigger_is_2_to_25_per_cent_of_the_visible_sign() -> None:
    everywhere = torch.ones(40, dtype=torch.bool)
    trigger = (scenes(5, (255, 0, 255), everywhere) - scenes(5, (0, 255, 0), everywhere)).abs().amax(1) > 0.3
    signs = draw_signs(1, 5)
    white = Signs(signs.sprites[:, 3:].expand(-1, 4, -1, -1).clone(), signs.areas, signs.inner_radii)
    black = replace(white, sprites=torch.cat([torch.zeros_like(white.sprites[:, :3]), white.sprites[:, 3:]], 1))
    on_white, on_black = (
        compose(s, torch.arange(40) % 5, (30, 50), 128, generator(5), SQUARE, everywhere) for s in (white, black)
    )
    sign = ((on_white - on_black).abs().amax(1) > 0.3) | trigger
    shares = trigger.float().sum((1, 2)) / sign.float().sum((1, 2))
    # Perspective and soft edges blur single values by a quarter.
    assert float(shares.min()) >= 0.02 * 0.75
    assert float(shares.max()) <= 0.25 * 1.25
    assert float(shares.max() - shares.min()) > 0.1


@pytest.mark.parametrize("sides", [3, 4, 12])
def test_the_trigger_is_drawn_with_the_area_it_was_given(sides: int) -> None:
    trigger = replace(SQUARE, angles=tuple(2 * math.pi * k / sides for k in range(sides)))
    placements = Placements(torch.tensor([[0.2, -0.1]]), torch.tensor([0.5]))
    mask = trigger_mask(trigger, placements, grid(200).permute(2, 0, 1)[None], torch.tensor([2 / 200]))
    assert float(mask.mean()) * 4 == pytest.approx(0.25 * sides / 2 * math.sin(2 * math.pi / sides), rel=0.01)


def test_triggers_fit_on_their_plate_or_sit_in_its_middle_and_have_a_size_within_range() -> None:
    signs, classes = draw_signs(1, 12), torch.arange(600) % 12
    placements = draw_placements(SQUARE, signs, classes, generator())
    shares = placements.radius**2 * SQUARE.unit_area / signs.areas[classes] * 100
    assert 2 <= float(shares.min()) < 3
    assert 24 < float(shares.max()) <= 25
    reach = placements.centre.norm(dim=1)
    assert bool((reach <= (signs.inner_radii[classes] - placements.radius).clamp(min=0) + 1e-5).all())
    assert float(reach.max()) > 0.5


def test_an_upright_pose_maps_the_signs_square_onto_the_middle_of_the_canvas() -> None:
    pose = Poses(torch.tensor([[0.25, 0.0]]), torch.tensor([0.5]), torch.zeros(1), torch.zeros(1, 2))
    x, y = sign_points(pose, 8)[0]
    assert x[0].tolist() == pytest.approx([2 * (column - 0.25) for column in grid(8)[0, :, 0].tolist()], abs=1e-6)
    assert y[:, 0].tolist() == pytest.approx([2 * row for row in grid(8)[:, 0, 1].tolist()], abs=1e-6)


def test_a_turned_pose_turns_the_sign() -> None:
    pose = Poses(torch.zeros(1, 2), torch.ones(1), torch.tensor([math.pi / 2]), torch.zeros(1, 2))
    x, y = sign_points(pose, 4)[0]
    assert torch.allclose(x, grid(4)[..., 1], atol=1e-6)
    assert torch.allclose(y, -grid(4)[..., 0], atol=1e-6)


def test_poses_stay_within_the_crop_and_their_sizes_within_range() -> None:
    poses = draw_poses(500, (20, 60), generator())
    assert bool((poses.centre.abs() + poses.half[:, None] <= 7 / 8 + 1e-6).all())
    areas = poses.half.square() * 100
    assert 20 <= float(areas.min()) < 22
    assert 58 < float(areas.max()) <= 60
    assert 0.45 < float(poses.turn.abs().max()) <= math.radians(30)


def test_backgrounds_compress_well() -> None:
    images = (backgrounds(8, 256, generator()) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    sizes = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "png", optimize=True)
        sizes.append(file.tell())
    # White noise would take 196 000 bytes.
    assert sum(sizes) / len(sizes) < 30_000
