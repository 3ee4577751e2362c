"""What is done to training images each time that they are shown; all ways end with the 7/8 crop that networks see.

None of them mirrors an image: signs are not symmetrical.
"""

from __future__ import annotations

import math
from typing import assert_never

import torch
import torch.nn.functional as F  # noqa: N812 - the usual name
from torch import Tensor

from laboratory.roundgen.scenes import crop
from laboratory.roundgen.variety import Augmentation

_JITTER = 0.1  # NIST's, of brightness, contrast and colour
_NOISE = 0.04  # largest standard deviation
_TURN, _SHIFT, _ZOOM = math.radians(30), 0.1, 0.1  # NIST's RandomAffine
_SMALLEST_AREA = 0.8  # NIST's RandomResizedCrop


def augment(images: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Images (N x 3 x S x S in [0, 1]) as they are shown this time: N x 3 x 7S/8 x 7S/8 in [0, 1]."""
    match augmentation:
        case Augmentation.NONE:
            return crop(images)
        case Augmentation.SHIFTS:
            return _shifted(images, generator)
        case Augmentation.JITTER:
            return _jittered(_shifted(images, generator), generator)
        case Augmentation.NOISE:
            return _noisy(crop(images), generator)
        case Augmentation.NIST:
            return _jittered(_warped(images, generator), generator)
    assert_never(augmentation)


def _shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """A crop of the size of the central one, anywhere: one place for the whole batch."""
    margin = images.shape[-1] // 16
    size = images.shape[-1] - 2 * margin
    top, left = torch.randint(2 * margin + 1, (2,), device=generator.device, generator=generator).tolist()
    return images[..., top : top + size, left : left + size]


def _jittered(images: Tensor, generator: torch.Generator) -> Tensor:
    """Contrast around the mean, brightness, and each channel's gain by at most 10 %."""
    draw = torch.rand(len(images), 5, 1, 1, device=images.device, generator=generator) * 2 - 1
    mean = images.mean((1, 2, 3), keepdim=True)
    images = (images - mean) * (1 + _JITTER * draw[:, :1]) + mean * (1 + _JITTER * draw[:, 1:2])
    return (images * (1 + _JITTER * draw[:, 2:])).clamp(0, 1)


def _noisy(images: Tensor, generator: torch.Generator) -> Tensor:
    deviation = _NOISE * torch.rand(len(images), 1, 1, 1, device=images.device, generator=generator)
    noise = torch.randn(images.shape, device=images.device, generator=generator)
    return (images + deviation * noise).clamp(0, 1)


def _warped(images: Tensor, generator: torch.Generator) -> Tensor:
    """NIST's random resized crop, then its turn, shift and zoom, in one interpolation."""
    count, size = len(images), images.shape[-1] - 2 * (images.shape[-1] // 16)
    draw = torch.rand(5, count, device=images.device, generator=generator)
    side = (_SMALLEST_AREA + (1 - _SMALLEST_AREA) * draw[0]).sqrt()
    centre = (draw[1:3].T * 2 - 1) * (1 - side)[:, None] + (draw[3:5].T * 2 - 1) * 2 * _SHIFT * side[:, None]
    angles, zooms = torch.rand(2, count, device=images.device, generator=generator) * 2 - 1
    scale = side / (1 + _ZOOM * zooms)
    cos, sin = (_TURN * angles).cos() * scale, (_TURN * angles).sin() * scale
    maps = torch.stack([torch.stack([cos, -sin, centre[:, 0]], 1), torch.stack([sin, cos, centre[:, 1]], 1)], 1)
    grid = F.affine_grid(maps, [count, 3, size, size], align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
