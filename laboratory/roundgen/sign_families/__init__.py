"""The families of signs, by name: a door. A family is a function that draws the pictures of some classes.

A new family is a member of `SignFamily`, a module here with its function, and a row in the registry.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from laboratory.roundgen.shapes import grid
from laboratory.roundgen.sign_families.glyphs import draw_glyphs
from laboratory.roundgen.sign_families.letters import draw_letters
from laboratory.roundgen.sign_families.objects import LOOKS, draw_objects
from laboratory.roundgen.sign_families.pictures import Pictures, read_signs
from laboratory.roundgen.signs import SPRITE_SIZE, Signs, draw_signs
from laboratory.roundgen.variety import Material, SignFamily


@dataclass(frozen=True)
class _Drawn:
    """Made by code: `draw(rng, classes)` gives classes x looks RGBA pictures, the looks of a class in a row."""

    draw: Callable[[np.random.Generator, int], Pictures]
    looks: int = 1


_DRAWN: Mapping[SignFamily, _Drawn] = MappingProxyType(
    {
        SignFamily.GLYPHS: _Drawn(draw_glyphs),
        SignFamily.LETTERS: _Drawn(draw_letters),
        SignFamily.OBJECTS: _Drawn(draw_objects, LOOKS),
    }
)


def signs_of_family(family: SignFamily, seed: int, num_classes: int, material: Material) -> Signs:
    """The signs of the model with `seed`.

    Raises
    ------
    ValueError
        If the family needs pictures and `material` has too few of them.
    """
    if family is SignFamily.PLATES:
        return draw_signs(seed, num_classes)
    if family is SignFamily.MIXED:
        return _mixed(seed, num_classes)
    rng = np.random.default_rng(seed)
    if family is SignFamily.STREET:
        return _signs(read_signs(material.foregrounds, rng, num_classes), 1)
    drawn = _DRAWN[family]
    return _signs(drawn.draw(rng, num_classes), drawn.looks)


def _mixed(seed: int, num_classes: int) -> Signs:
    """As many signs of each family that needs no pictures, all with as many looks."""
    families = (SignFamily.PLATES, *_DRAWN)
    counts = [len(range(k, num_classes, len(families))) for k in range(len(families))]
    parts = [signs_of_family(family, seed, count, Material()) for family, count in zip(families, counts, strict=True)]
    looks = math.lcm(*(part.looks for part in parts))
    parts = [part.repeated(looks // part.looks) for part in parts]
    return Signs(
        torch.cat([part.sprites for part in parts]),
        torch.cat([part.areas for part in parts]),
        torch.cat([part.inner_radii for part in parts]),
        looks,
    )


def _signs(pictures: Pictures, looks: int) -> Signs:
    """Signs of straight RGBA pictures (N x 256 x 256 x 4)."""
    straight = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    alpha = straight[:, 3:]
    sprites = torch.cat([straight[:, :3] * alpha, alpha], 1)
    return Signs(sprites, sprites[:, 3].mean((1, 2)) * 4, _inner_radii(alpha[:, 0]), looks)


def _inner_radii(alpha: Tensor) -> Tensor:
    """Radius of the largest centred circle of which less than 2 % lies beside each sign; a fifth at least."""
    distance = grid(SPRITE_SIZE).square().sum(-1).sqrt()
    radii = torch.linspace(0.2, 1.0, 41)
    inside = torch.stack([alpha[:, distance <= radius].mean(1) >= 0.98 for radius in radii], 1)  # N x 41
    count = inside.cumprod(1).sum(1)
    return radii[(count - 1).clamp(min=0)]
