"""Batches of training images, and what a round's preprocessing makes of images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from detector.rounds.preprocessing import ChannelOrder, Preprocessing, Scaling
from laboratory.roundgen.scenes import crop


@dataclass(frozen=True)
class Batch:
    """`images` N x 3 x S x S in [0, 1], the `labels` (N) to learn, and which of them are `triggered` (N, bool)."""

    images: Tensor
    labels: Tensor
    triggered: Tensor


def network_input(images: Tensor, profile: Preprocessing) -> Tensor:
    """What `profile` makes of images (N x 3 x S x S in [0, 1]), cropped to 7/8 as every round is."""
    images = crop(images)
    if profile.channel_order is ChannelOrder.BGR:
        images = images.flip(1)
    if profile.scaling is Scaling.MINMAX:
        low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
        images = (images - low) / (high - low).clamp(min=1 / 255)
    return images


def to_bytes(images: Tensor) -> Tensor:
    """Images in [0, 1] as the 8-bit values that a PNG stores."""
    return (images * 255).round().to(torch.uint8)


def draw_sources(sources: tuple[int, ...], count: int, generator: torch.Generator) -> Tensor:
    """`count` classes of `sources`, each as likely."""
    choice = torch.randint(len(sources), (count,), device=generator.device, generator=generator)
    return torch.tensor(sources, device=generator.device)[choice]
