"""Four colours that run into each other from the corners, with many shapes on them."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - the usual name
from torch import Tensor

from laboratory.roundgen.scenes import add_shapes

_SHAPES = 9


def draw_clutter(count: int, canvas: int, generator: torch.Generator) -> Tensor:
    """Images, N x 3 x canvas x canvas in [0, 1]."""
    corners = torch.rand(count, 3, 2, 2, device=generator.device, generator=generator)
    gradient = F.interpolate(corners, (canvas, canvas), mode="bilinear", align_corners=True)
    return add_shapes(gradient, generator, _SHAPES)
