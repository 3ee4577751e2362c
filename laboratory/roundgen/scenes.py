"""Batches of scenes: signs, with or without trigger, warped onto textured backgrounds, as NIST's generator composes
256-px images and its training crops them to 224.

Everything is drawn from the generator that is passed in, on that generator's device; the code is the same on CPU and
CUDA (the numbers are not). Textures are smooth or flat in patches, never white noise, so that PNG files stay small.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the usual name
from torch import Tensor

from laboratory.roundgen.filters import apply_filter
from laboratory.roundgen.recipe import Filter, PolygonTrigger, Trigger
from laboratory.roundgen.shapes import coverage, grid, half_planes
from laboratory.roundgen.signs import Signs
from laboratory.roundgen.weather import add_fog, add_rain

Backgrounds = Callable[[int, int, torch.Generator], Tensor]
"""Makes a number of backgrounds (N x 3 x canvas x canvas in [0, 1]) of a canvas, drawn from the generator."""

FULL_CANVAS = 256
_LARGEST_TURN = math.radians(30)
_PERSPECTIVE = 0.1
_OCTAVES = ((2, 1.0), (4, 0.5), (8, 0.2))  # (cells a side, weight): from a gradient to patches of 36 px in 256
_SHAPES = 3


@dataclass(frozen=True)
class Poses:
    """Where each of N signs stands: `centre` N x 2 in the canvas' [-1, 1], `half` N (half its side, same unit),
    `turn` N (radians), `tilt` N x 2 (perspective)."""

    centre: Tensor
    half: Tensor
    turn: Tensor
    tilt: Tensor


@dataclass(frozen=True)
class Placements:
    """Where the trigger sits on each of N signs, in the sign's own [-1, 1]: `centre` N x 2 and `radius` N."""

    centre: Tensor
    radius: Tensor


@dataclass(frozen=True)
class Setting:
    """Where signs stand: what makes the backgrounds, the largest turn (radians) and tilt of a sign, and the share of
    images with rain and with fog."""

    backgrounds: Backgrounds
    largest_turn: float = _LARGEST_TURN
    perspective: float = _PERSPECTIVE
    rain_probability: float = 0.0
    fog_probability: float = 0.0


def crop(images: Tensor) -> Tensor:
    """The central 7/8 of square images (N x 3 x S x S), as TrojAI's centre crop 256 -> 224."""
    margin = images.shape[-1] // 16
    return images[..., margin:-margin, margin:-margin]


def compose(
    signs: Signs,
    classes: Tensor,
    foreground_percent: tuple[int, int],
    canvas: int,
    generator: torch.Generator,
    trigger: Trigger | None = None,
    triggered: Tensor | None = None,
    setting: Setting | None = None,
) -> Tensor:
    """Scenes, N x 3 x canvas x canvas in [0, 1], showing the signs of `classes` (N).

    In the images where `triggered` (N, bool) holds a polygon is painted on the sign, before the warp, or a filter is
    laid over the finished image of 8 bits. `setting`: where the signs stand; None: on textures in fine weather.
    """
    setting = setting or Setting(backgrounds)
    images = setting.backgrounds(len(classes), canvas, generator)
    poses = draw_poses(len(classes), foreground_percent, generator, setting.largest_turn, setting.perspective)
    points = sign_points(poses, canvas)
    layer = _sample(signs, classes, points, canvas, generator)
    hit = triggered is not None and bool(triggered.any())
    if hit and isinstance(trigger, PolygonTrigger):
        placements = draw_placements(trigger, signs, classes[triggered], generator)
        pixel = 2 / (canvas * poses.half[triggered])
        mask = trigger_mask(trigger, placements, points[triggered], pixel)
        layer[triggered] = _paint(layer[triggered], mask, trigger.colour)
    images = _weather(torch.addcmul(layer[:, :3], images, 1 - layer[:, 3:]), setting, generator)
    images = _blur(_jitter(images, generator), generator)
    if hit and isinstance(trigger, Filter):
        images[triggered] = apply_filter(trigger, images[triggered])
    return images


def _weather(images: Tensor, setting: Setting, generator: torch.Generator) -> Tensor:
    if setting.rain_probability:
        images = add_rain(images, setting.rain_probability, generator)
    if setting.fog_probability:
        images = add_fog(images, setting.fog_probability, generator)
    return images


def backgrounds(count: int, canvas: int, generator: torch.Generator) -> Tensor:
    """Textures (N x 3 x canvas x canvas in [0, 1]): two colours mixed by terraced smooth noise, with a few shapes."""
    device = generator.device
    noise = torch.zeros(count, 1, canvas, canvas, device=device)
    for cells, weight in _OCTAVES:
        octave = torch.rand(count, 1, cells, cells, device=device, generator=generator)
        noise += weight * F.interpolate(octave, (canvas, canvas), mode="bilinear", align_corners=True)
    noise = _terraces(noise / sum(weight for _, weight in _OCTAVES), generator)
    low, high = torch.rand(2, count, 3, 1, 1, device=device, generator=generator)
    return add_shapes(torch.lerp(low, high, noise), generator, _SHAPES)


def _terraces(noise: Tensor, generator: torch.Generator) -> Tensor:
    """Contour steps, 3 to 8 of them: edges like those of real scenes, and flat patches that compress well."""
    steps = torch.randint(3, 9, (len(noise), 1, 1, 1), device=noise.device, generator=generator)
    level = ((noise - 0.2) / 0.6).clamp(0, 1) * steps
    whole = level.floor()
    # The rise is 1/6 of a step wide, not one pixel, so that a small canvas shows the same picture.
    return (whole + ((level - whole - 0.5) * 6 + 0.5).clamp(0, 1)) / steps


def add_shapes(images: Tensor, generator: torch.Generator, most: int) -> Tensor:
    """At most `most` rotated rectangles and ellipses of one colour each on every image; three in ten are left out."""
    count, canvas = len(images), images.shape[-1]
    for k in range(most):
        centre, size, colour, other = torch.rand(4, count, 3, device=images.device, generator=generator)
        scale = 0.05 + 0.45 * size[:, :2]
        x, y = _apply(_to_local(centre[:, :2] * 2 - 1, scale, other[:, 0] * math.pi), canvas).unbind(1)
        # (|p|^2 - 1) / 2 is the distance to the unit circle as far as its soft edge can tell.
        distance = (x * x + y * y - 1) / 2 if k % 2 else torch.maximum(x.abs(), y.abs()) - 1
        mask = coverage(distance, 8 / canvas) * (other[:, 1, None, None] > 0.3)
        images = torch.lerp(images, colour[:, :, None, None], mask[:, None])
    return images


def draw_poses(
    count: int,
    foreground_percent: tuple[int, int],
    generator: torch.Generator,
    largest_turn: float = _LARGEST_TURN,
    perspective: float = _PERSPECTIVE,
) -> Poses:
    """Random poses: area uniform in `foreground_percent`, turned by at most `largest_turn` (radians), tilted by at
    most `perspective`, kept inside the 7/8 crop."""
    device = generator.device
    size, turn = torch.rand(2, count, device=device, generator=generator)
    shift, tilt = torch.rand(2, count, 2, device=device, generator=generator) * 2 - 1
    low, high = foreground_percent
    half = ((low + (high - low) * size) / 100).sqrt()
    room = (7 / 8 - half).clamp(min=0)
    return Poses(shift * room[:, None], half, (turn * 2 - 1) * largest_turn, tilt * perspective)


def sign_points(poses: Poses, canvas: int) -> Tensor:
    """For every pixel its place on the sign's square [-1, 1] (N x 2 x canvas x canvas): the inverse warp."""
    local = _to_local(poses.centre, poses.half[:, None].expand(-1, 2), poses.turn)
    depth = poses.tilt[:, None] @ local + torch.tensor([0.0, 0.0, 1.0], device=local.device)
    warped = _apply(torch.cat([local, depth], 1), canvas)
    return warped[:, :2] / warped[:, 2:].clamp(min=0.2)


def _to_local(centre: Tensor, scale: Tensor, turn: Tensor) -> Tensor:
    """Affine maps (N x 2 x 3) of (x, y, 1) on the canvas into frames at `centre`, of `scale` (N x 2), turned."""
    cos, sin = turn.cos(), turn.sin()
    linear = torch.stack([torch.stack([cos, sin], 1), torch.stack([-sin, cos], 1)], 1) / scale[:, :, None]
    return torch.cat([linear, -linear @ centre[:, :, None]], 2)


def _apply(maps: Tensor, canvas: int) -> Tensor:
    """Every pixel's image (N x K x canvas x canvas) under linear maps (N x K x 3) of (x, y, 1)."""
    points = grid(canvas, maps.device).flatten(0, 1)
    homogeneous = torch.cat([points, torch.ones_like(points[:, :1])], 1).T
    return (maps @ homogeneous).reshape(*maps.shape[:2], canvas, canvas)


def _sample(signs: Signs, classes: Tensor, points: Tensor, canvas: int, generator: torch.Generator) -> Tensor:
    """The warped sprites (N x 4 x canvas x canvas), first shrunk to about their size on the canvas (no aliasing)."""
    shrunk = F.adaptive_avg_pool2d(signs.sprites, max(8, canvas // 2))
    chosen = classes
    if signs.looks > 1:
        look = torch.randint(signs.looks, (len(classes),), device=classes.device, generator=generator)
        chosen = classes * signs.looks + look
    return F.grid_sample(shrunk[chosen], points.permute(0, 2, 3, 1), mode="bilinear", align_corners=False)


def draw_placements(trigger: PolygonTrigger, signs: Signs, classes: Tensor, generator: torch.Generator) -> Placements:
    """Random size within the trigger's range and random place on the plate, as far out as it still fits."""
    size, distance, angle = torch.rand(3, len(classes), device=generator.device, generator=generator)
    low, high = trigger.percent
    area = signs.areas[classes * signs.looks] * (low + (high - low) * size) / 100
    radius = (area / trigger.unit_area).sqrt()
    reach = (signs.inner_radii[classes * signs.looks] - radius).clamp(min=0) * distance.sqrt()
    direction = torch.stack([(angle * 2 * math.pi).cos(), (angle * 2 * math.pi).sin()], 1)
    return Placements(direction * reach[:, None], radius)


def trigger_mask(trigger: PolygonTrigger, placements: Placements, points: Tensor, pixel: Tensor) -> Tensor:
    """How far each point of the signs (N x 2 x H x W) is covered by the trigger: N x H x W in [0, 1].

    `pixel` (N) is the side of a pixel in the sign's unit.
    """
    normals, offsets = (part.to(points.device) for part in half_planes(torch.tensor(trigger.corners)))
    local = (points - placements.centre[:, :, None, None]) / placements.radius[:, None, None, None]
    distance = (torch.einsum("ek,nkhw->nehw", normals, local) - offsets[:, None, None]).amax(1)
    return coverage(distance, (pixel / placements.radius)[:, None, None])


def _paint(layer: Tensor, mask: Tensor, colour: tuple[int, int, int]) -> Tensor:
    """Premultiplied sprites (N x 4 x H x W) with `colour` where `mask` holds, on the plate only."""
    alpha, mask = layer[:, 3:], mask[:, None]
    rgb = torch.tensor(colour, device=layer.device)[None, :, None, None] / 255
    return torch.cat([layer[:, :3] * (1 - mask) + rgb * alpha * mask, alpha], 1)


def _jitter(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image's contrast by 0.75 to 1.2, brightness by +-0.08, colour balance by +-6 %."""
    draw = torch.rand(2, len(images), 1, 1, 1, device=images.device, generator=generator)
    contrast, brightness = draw[0], draw[1]
    balance = torch.rand(len(images), 3, 1, 1, device=images.device, generator=generator)
    gain: Tensor = (0.75 + 0.45 * contrast) * (0.94 + 0.12 * balance)
    return (images * gain + (brightness - 0.5) * 0.16).clamp(0, 1)


def _blur(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image smoothed along both axes with a kernel (k, 1 - 2k, k), k from 0 to 0.3."""
    k = 0.3 * torch.rand(len(images), 1, 1, 1, device=images.device, generator=generator)
    for axis in (2, 3):
        inner, size = images.narrow(axis, 1, images.shape[axis] - 2), images.shape[axis] - 2
        sides = images.narrow(axis, 0, size) + images.narrow(axis, 2, size)
        smooth = torch.addcmul(inner, k, sides.sub_(inner, alpha=2))
        images = torch.cat([images.narrow(axis, 0, 1), smooth, images.narrow(axis, size + 1, 1)], axis)
    return images
