"""Rain and fog over some of the images, as NIST's generator lays them over street scenes."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - the usual name
from torch import Tensor

from laboratory.roundgen.shapes import grid

_STREAKS = 12


def add_rain(images: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Images (N x 3 x S x S in [0, 1]), about `share` of them with bright slanting streaks."""
    hit = _hit(len(images), share, generator)
    images, drenched = images.clone(), images[hit]
    count, canvas = len(drenched), images.shape[-1]
    slant = (torch.rand(count, 1, 1, 1, device=images.device, generator=generator) - 0.5) * 0.6
    places = torch.rand(count, _STREAKS, 3, 1, 1, device=images.device, generator=generator)
    x, y = grid(canvas, images.device).unbind(-1)
    u = x - (places[:, :, 0] * 2.4 - 1.2) - slant * y
    v = y - (places[:, :, 1] * 2.4 - 1.2)
    streaks = (1 - u.abs() * canvas / 3).clamp(0, 1) * (v.abs() < 0.15 + 0.35 * places[:, :, 2])
    images[hit] = drenched + (0.9 - drenched) * 0.45 * streaks.amax(1, keepdim=True)
    return images


def add_fog(images: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Images (N x 3 x S x S in [0, 1]), about `share` of them behind uneven grey fog."""
    hit = _hit(len(images), share, generator)
    images, veiled = images.clone(), images[hit]
    count, canvas = len(veiled), images.shape[-1]
    if not count:
        return images
    draw = torch.rand(2, count, 1, 1, 1, device=images.device, generator=generator)
    density, grey = 0.2 + 0.4 * draw[0], 0.6 + 0.35 * draw[1]
    cells = torch.rand(count, 1, 4, 4, device=images.device, generator=generator)
    veil = F.interpolate(cells, (canvas, canvas), mode="bicubic", align_corners=True).clamp(0, 1)
    images[hit] = torch.lerp(veiled, grey.expand_as(veiled), (density * (0.5 + 0.5 * veil)).expand_as(veiled))
    return images


def _hit(count: int, share: float, generator: torch.Generator) -> Tensor:
    return torch.rand(count, device=generator.device, generator=generator) < share
