"""Crops of somebody's scenes: the pictures of a folder, each model on some of them.

The folder is the user's own: whatever Pillow reads as PNG or JPEG.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from laboratory.roundgen.sign_families.pictures import list_pictures

_MOST = 48  # pictures for one model
_SMALLEST_CROP = 0.4  # of the picture's shorter side
_RESERVE = 2.5  # pictures are kept so large that the smallest crop still fills the canvas


@dataclass(frozen=True)
class Scenes:
    """Pictures in memory; called, it gives random square crops of them."""

    pictures: tuple[Image.Image, ...]

    def __call__(self, count: int, canvas: int, generator: torch.Generator) -> Tensor:
        """Images, N x 3 x canvas x canvas in [0, 1]."""
        draws = torch.rand(count, 4, device=generator.device, generator=generator).tolist()
        crops = np.stack([self._crop(canvas, *draw) for draw in draws])
        return torch.from_numpy(crops).permute(0, 3, 1, 2).float().div(255).to(generator.device)

    def _crop(self, canvas: int, which: float, size: float, x: float, y: float) -> NDArray[np.uint8]:
        picture = self.pictures[int(which * len(self.pictures))]
        width, height = picture.size
        side = min(width, height) * (_SMALLEST_CROP + (1 - _SMALLEST_CROP) * size)
        left, top = x * (width - side), y * (height - side)
        box = (left, top, left + side, top + side)
        return np.asarray(picture.resize((canvas, canvas), Image.Resampling.BILINEAR, box=box))


def read_scenes(folder: Path | None, rng: np.random.Generator, canvas: int) -> Scenes:
    """At most 48 scenes of the folder, chosen by `rng`, shrunk to what the canvas can show.

    Raises
    ------
    ValueError
        If there is no folder, or no picture in it.
    """
    if folder is None:
        raise ValueError("scenes need a folder of pictures (--backgrounds)")
    paths = list_pictures(folder)
    chosen = rng.permutation(len(paths))[:_MOST]
    return Scenes(tuple(_read_scene(paths[index], round(canvas * _RESERVE)) for index in chosen))


def _read_scene(path: Path, shorter: int) -> Image.Image:
    with Image.open(path) as file:
        file.draft("RGB", (shorter, shorter))
        picture = file.convert("RGB")
    scale = shorter / min(picture.size)
    if scale >= 1:
        return picture
    width, height = (round(side * scale) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BOX)
