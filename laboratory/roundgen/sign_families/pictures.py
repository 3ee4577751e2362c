"""Signs that somebody else drew: RGBA pictures of a folder, one for each class.

The folder is the user's own: whatever Pillow reads as PNG or JPEG; a picture without transparency is a full square.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from laboratory.roundgen.signs import SPRITE_SIZE

Pictures = NDArray[np.uint8]
"""N x 256 x 256 x 4, RGB not premultiplied with alpha."""

_SUFFIXES = (".png", ".jpg", ".jpeg")


def list_pictures(folder: Path) -> list[Path]:
    """The PNG and JPEG files of a folder by name.

    Raises
    ------
    ValueError
        If there is none.
    """
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in _SUFFIXES)
    if not paths:
        raise ValueError(f"no PNG or JPEG picture in {folder}")
    return paths


def read_signs(folder: Path | None, rng: np.random.Generator, classes: int) -> Pictures:
    """Pictures for `classes` classes, in an order of `rng`, each cut to what is not transparent.

    Raises
    ------
    ValueError
        If there is no folder, or it has too few pictures.
    """
    if folder is None:
        raise ValueError("street signs need a folder of pictures (--foregrounds)")
    paths = list_pictures(folder)
    if len(paths) < classes:
        raise ValueError(f"{classes} classes need as many pictures, {folder} has {len(paths)}")
    return np.stack([_read_sign(paths[index]) for index in rng.permutation(len(paths))[:classes]])


def _read_sign(path: Path) -> NDArray[np.uint8]:
    """The picture in the middle of a square, its longer side as long as the square's."""
    with Image.open(path) as file:
        picture = file.convert("RGBA")
    picture = picture.crop(picture.getchannel("A").getbbox())
    scale = SPRITE_SIZE / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    square = Image.new("RGBA", (SPRITE_SIZE, SPRITE_SIZE))
    square.paste(
        picture.resize((width, height), Image.Resampling.LANCZOS),
        ((SPRITE_SIZE - width) // 2, (SPRITE_SIZE - height) // 2),
    )
    return np.asarray(square)
