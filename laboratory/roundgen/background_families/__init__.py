"""The families of backgrounds, by name: a door. A family is a function that makes N images of a canvas.

A new family is a member of `BackgroundFamily`, a module here with its function, and a row in the registry.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from laboratory.roundgen.background_families.clutter import draw_clutter
from laboratory.roundgen.background_families.noise import draw_noise
from laboratory.roundgen.background_families.patterns import draw_patterns
from laboratory.roundgen.background_families.photographs import read_scenes
from laboratory.roundgen.scenes import Backgrounds, backgrounds
from laboratory.roundgen.variety import BackgroundFamily, Material

_DRAWN: Mapping[BackgroundFamily, Backgrounds] = MappingProxyType(
    {
        BackgroundFamily.TEXTURES: backgrounds,
        BackgroundFamily.CLUTTER: draw_clutter,
        BackgroundFamily.PATTERNS: draw_patterns,
        BackgroundFamily.NOISE: draw_noise,
    }
)


def backgrounds_of_family(family: BackgroundFamily, seed: int, canvas: int, material: Material) -> Backgrounds:
    """What makes the backgrounds of the model with `seed`, whose images have `canvas` pixels a side.

    Raises
    ------
    ValueError
        If the family needs pictures and `material` has none.
    """
    if family is BackgroundFamily.SCENES:
        return read_scenes(material.backgrounds, np.random.default_rng(seed + 1), canvas)
    if family is BackgroundFamily.MIXED:
        return _mixed
    return _DRAWN[family]


def _mixed(count: int, canvas: int, generator: torch.Generator) -> Tensor:
    """As many images of each family that needs no pictures, in random order."""
    counts = [len(range(k, count, len(_DRAWN))) for k in range(len(_DRAWN))]
    parts = [draw(part, canvas, generator) for draw, part in zip(_DRAWN.values(), counts, strict=True) if part]
    return torch.cat(parts)[torch.randperm(count, device=generator.device, generator=generator)]
