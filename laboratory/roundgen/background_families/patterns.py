"""Stripes, checks and tiles of any direction and period in two or three colours, in soft light."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from laboratory.roundgen.shapes import grid


def draw_patterns(count: int, canvas: int, generator: torch.Generator) -> Tensor:
    """Images, N x 3 x canvas x canvas in [0, 1], a third of them of each kind."""
    draw = torch.rand(5, count, 1, 1, device=generator.device, generator=generator)
    angle, period, duty, kind, light = draw[0] * math.pi, 0.15 + 0.7 * draw[1], 0.3 + 0.4 * draw[2], draw[3], draw[4]
    x, y = grid(canvas, generator.device).unbind(-1)
    u, v = x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()
    across, along = _band(u / period, duty, period * canvas / 2), _band(v / period, duty, period * canvas / 2)
    checks = across * along + (1 - across) * (1 - along)
    mask = torch.where(kind < 1 / 3, across, torch.where(kind < 2 / 3, checks, across * along))[:, None]
    low, high = torch.rand(2, count, 3, 1, 1, device=generator.device, generator=generator)
    return (torch.lerp(low, high, mask) * (1 + (light - 0.5) * 0.8 * (u + v) / 2)[:, None]).clamp(0, 1)


def _band(phase: Tensor, duty: Tensor, pixels: Tensor) -> Tensor:
    """1 in the first `duty` of each period and 0 in the rest, with edges one pixel wide (`pixels` to a period)."""
    position = phase - phase.floor()
    distance = torch.minimum(position, duty - position)
    distance = torch.maximum(distance, position - 1 + 0 * duty)
    return (distance * pixels + 0.5).clamp(0, 1)
