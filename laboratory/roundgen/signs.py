"""One synthetic sign per class: a coloured plate with a border and an inner symbol, distinct within a model.

Signs are drawn on the CPU from the model's seed, so that they are the same whatever device trains the model.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from laboratory.roundgen.shapes import coverage, grid, polygon_distance, regular_polygon

SPRITE_SIZE = 256
_PLATE_SIDES = (3, 4, 5, 6, 8, 48)  # 48 sides are a round plate
_BORDER = 0.13


@dataclass(frozen=True)
class Signs:
    """The signs of one model.

    `sprites`: C x 4 x 256 x 256, RGB premultiplied with alpha, in [0, 1]. `areas`: C, area of each plate when its
    square spans [-1, 1] (so at most pi). `inner_radii`: C, radius of the largest centred circle on each plate.
    Where a class has several `looks`, C is classes x looks, those of a class stand together, have the same outline,
    and every image shows one of them.
    """

    sprites: Tensor
    areas: Tensor
    inner_radii: Tensor
    looks: int = 1

    def to(self, device: torch.device | str) -> Signs:
        """The same signs on another device."""
        return Signs(self.sprites.to(device), self.areas.to(device), self.inner_radii.to(device), self.looks)

    def repeated(self, times: int) -> Signs:
        """The same signs, every look `times` times."""
        sprites, areas, inner_radii = (
            part.repeat_interleave(times, 0) for part in (self.sprites, self.areas, self.inner_radii)
        )
        return Signs(sprites, areas, inner_radii, self.looks * times)


def draw_signs(seed: int, num_classes: int) -> Signs:
    """The signs of the model with `seed`; at most 42 classes have a pair of plate and symbol of their own."""
    generator = torch.Generator().manual_seed(seed)
    kinds = [(sides, symbol) for sides in _PLATE_SIDES for symbol in _SYMBOLS]
    order = torch.randperm(len(kinds), generator=generator).tolist()
    chosen = [kinds[order[c % len(kinds)]] for c in range(num_classes)]
    sprites = torch.stack([_draw_sign(sides, symbol, generator) for sides, symbol in chosen])
    areas = sprites[:, 3].mean((1, 2)) * 4
    inner_radii = torch.tensor([math.cos(math.pi / sides) for sides, _ in chosen])
    return Signs(sprites, areas, inner_radii)


def _draw_sign(sides: int, symbol: Callable[[Tensor], Tensor], generator: torch.Generator) -> Tensor:
    """One sprite (4 x 256 x 256, premultiplied): plate, border and symbol in three colours."""
    points, pixel = grid(SPRITE_SIZE), 2 / SPRITE_SIZE
    plate = polygon_distance(points, regular_polygon(sides, _upright(sides)))
    inner_radius = math.cos(math.pi / sides)
    face, border, ink = _colours(generator)
    image = border.expand(SPRITE_SIZE, SPRITE_SIZE, 3)
    for distance, colour in ((plate + _BORDER, face), (symbol(points / (0.62 * inner_radius)), ink)):
        mask = coverage(distance, pixel)[..., None]
        image = image * (1 - mask) + colour * mask
    alpha = coverage(plate, pixel)[..., None]
    return torch.cat([image * alpha, alpha], -1).permute(2, 0, 1)


def _upright(sides: int) -> float:
    """Direction of the first corner: a flat bottom edge (y points down)."""
    return math.pi / 2 + math.pi / sides


def _colours(generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Face of any hue; border and ink dark on a bright face, bright on a dark one."""
    face, border, ink = torch.rand(3, 3, generator=generator)
    if face.mean() > 0.5:
        return face, border * 0.6, ink * 0.35
    return face, 0.4 + border * 0.6, 0.65 + ink * 0.35


def _box(points: Tensor, half_width: float, half_height: float) -> Tensor:
    return torch.maximum(points[..., 0].abs() - half_width, points[..., 1].abs() - half_height)


def _disc(points: Tensor) -> Tensor:
    return points.square().sum(-1).sqrt() - 0.8


def _ring(points: Tensor) -> Tensor:
    return (points.square().sum(-1).sqrt() - 0.65).abs() - 0.22


def _bar(points: Tensor) -> Tensor:
    return _box(points, 0.95, 0.28)


def _cross(points: Tensor) -> Tensor:
    return torch.minimum(_box(points, 0.95, 0.25), _box(points, 0.25, 0.95))


def _arrow(points: Tensor) -> Tensor:
    head = polygon_distance(points, torch.tensor([[-0.8, 0.0], [0.0, -1.0], [0.8, 0.0]]))
    return torch.minimum(head, _box(points - torch.tensor([0.0, 0.45]), 0.25, 0.5))


def _two_bars(points: Tensor) -> Tensor:
    return _box(torch.stack([points[..., 0].abs() - 0.55, points[..., 1]], -1), 0.22, 0.85)


def _diamond(points: Tensor) -> Tensor:
    return polygon_distance(points, regular_polygon(4))


_SYMBOLS = (_disc, _ring, _bar, _cross, _arrow, _two_bars, _diamond)
