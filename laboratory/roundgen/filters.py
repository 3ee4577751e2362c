"""The whole-image filters that Round 2 uses as triggers, in our own simple form: a change of colours, some with a
vignette.

NIST used the photo filters of these names; ours follow their looks (TrojAI documentation, image-classification-aug2020)
in batched tensor code that runs on CPU and CUDA alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from laboratory.roundgen.recipe import Filter
from laboratory.roundgen.shapes import grid

_Colour = tuple[float, float, float]


@dataclass(frozen=True)
class _Look:
    """Saturation (1: as it is), then contrast around mid-grey, gain and lift of each channel, and the colour that the
    corners fade to (None: no vignette)."""

    saturation: float
    contrast: float
    gain: _Colour
    lift: _Colour
    corners: _Colour | None = None


_LOOKS: Mapping[Filter, _Look] = MappingProxyType(
    {
        Filter.GOTHAM: _Look(0.15, 1.4, (0.85, 0.9, 1.0), (0.0, 0.02, 0.12)),
        Filter.NASHVILLE: _Look(1.1, 1.0, (0.95, 0.75, 0.65), (0.05, 0.12, 0.3)),
        Filter.KELVIN: _Look(1.0, 1.1, (1.0, 0.7, 0.35), (0.25, 0.08, 0.0)),
        Filter.LOMO: _Look(1.4, 1.5, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
        Filter.TOASTER: _Look(0.8, 1.2, (1.0, 0.85, 0.75), (0.15, 0.05, 0.05), (0.45, 0.1, 0.0)),
    }
)
_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601
_VIGNETTE_START, _VIGNETTE_END = 0.6, 1.4  # distance from the centre; a corner has sqrt(2)


def apply_filter(kind: Filter, images: Tensor) -> Tensor:
    """Images (N x 3 x S x S in [0, 1]) as the filter shows them."""
    look = _LOOKS[kind]
    grey = (images * _channels(_GREY, images)).sum(1, keepdim=True)
    images = grey + look.saturation * (images - grey)
    images = ((images - 0.5) * look.contrast + 0.5) * _channels(look.gain, images) + _channels(look.lift, images)
    images = images.clamp(0, 1)
    return images if look.corners is None else _vignette(images, look.corners)


def _vignette(images: Tensor, corners: _Colour) -> Tensor:
    radius = grid(images.shape[-1], images.device).square().sum(-1).sqrt()
    fade = ((radius - _VIGNETTE_START) / (_VIGNETTE_END - _VIGNETTE_START)).clamp(0, 1)
    return torch.lerp(images, _channels(corners, images).expand_as(images), fade.expand_as(images))


def _channels(values: _Colour, like: Tensor) -> Tensor:
    return torch.tensor(values, device=like.device)[None, :, None, None]
