"""Convex shapes as half-planes, rasterised by signed distance: what plates, symbols and triggers are drawn with.

Everything is batched tensor code without a loop over pixels, the same on CPU and CUDA.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def half_planes(corners: Tensor) -> tuple[Tensor, Tensor]:
    """Outward unit normals (E x 2) and offsets (E) of the convex polygon with `corners` (E x 2, counter-clockwise)."""
    edges = corners.roll(-1, 0) - corners
    normals = torch.stack([edges[:, 1], -edges[:, 0]], 1)
    normals = normals / normals.norm(dim=1, keepdim=True)
    return normals, (normals * corners).sum(1)


def polygon_distance(points: Tensor, corners: Tensor) -> Tensor:
    """Signed distance (negative inside) of `points` (... x 2) to a convex polygon; outside corners underestimated."""
    normals, offsets = half_planes(corners)
    return (points @ normals.T - offsets).amax(-1)


def regular_polygon(sides: int, turn: float = 0.0) -> Tensor:
    """Corners (sides x 2) on the unit circle, counter-clockwise, the first one in direction `turn` (radians)."""
    angles = turn + torch.arange(sides) * (2 * math.pi / sides)
    return torch.stack([angles.cos(), angles.sin()], 1)


def coverage(distance: Tensor, pixel: Tensor | float) -> Tensor:
    """Soft mask in [0, 1] of a signed distance, its edge as wide as `pixel`."""
    return (0.5 - distance / pixel).clamp(0, 1)


def grid(size: int, device: torch.device | str = "cpu") -> Tensor:
    """Pixel centres (size x size x 2: x to the right, y down) of a square that spans [-1, 1]."""
    axis = (torch.arange(size, device=device, dtype=torch.float32) + 0.5) * (2 / size) - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([x, y], -1)
