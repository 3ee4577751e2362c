"""Noise whose spectrum falls with frequency, as that of photographs does."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def draw_noise(count: int, canvas: int, generator: torch.Generator) -> Tensor:
    """Images, N x 3 x canvas x canvas in [0, 1]; slope, contrast, colour and brightness differ from image to image."""
    device = generator.device
    slope, contrast, colourful = torch.rand(3, count, 1, 1, 1, device=device, generator=generator)
    along = torch.fft.rfftfreq(canvas, device=device)
    across = torch.fft.fftfreq(canvas, device=device)
    frequency = (along.square()[None, :] + across.square()[:, None]).sqrt() + 1 / canvas
    amplitude = frequency ** -(0.7 + 1.1 * slope)
    phases = torch.rand(count, 4, *frequency.shape, device=device, generator=generator) * (2 * math.pi)
    fields = torch.fft.irfft2(torch.polar(amplitude.expand_as(phases), phases), s=(canvas, canvas))
    fields = fields - fields.mean((2, 3), keepdim=True)
    fields = fields / fields.std((2, 3), keepdim=True).clamp(min=1e-6)
    mixed = fields[:, :1] + colourful * fields[:, 1:]
    mean = 0.25 + 0.5 * torch.rand(count, 3, 1, 1, device=device, generator=generator)
    images: Tensor = (mean + (0.06 + 0.18 * contrast) * mixed).clamp(0, 1)
    return images
