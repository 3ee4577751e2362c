"""Letters and digits in Pillow's own font, upright on plates of many shapes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from laboratory.roundgen.sign_families.colours import Colour, colour_pair
from laboratory.roundgen.signs import SPRITE_SIZE

_CHARACTERS = "ABCDEFGHJKLMNPRSTUVWXYZ2345679"  # without those that look like another one
_MIDDLE = SPRITE_SIZE / 2


def draw_letters(rng: np.random.Generator, classes: int) -> NDArray[np.uint8]:
    """One RGBA picture (256 x 256 x 4) for each of the classes, each with a character of its own.

    A quarter of the models has the same two colours for all classes.
    """
    characters = rng.permutation(list(_CHARACTERS))[:classes]
    shared = colour_pair(rng, 120) if rng.random() < 0.25 else None
    corners = int(rng.choice((4, 6, 8, 60)))
    return np.stack(
        [np.asarray(_draw_letter(str(character), corners, *(shared or colour_pair(rng)))) for character in characters]
    )


def _draw_letter(character: str, corners: int, ground: Colour, ink: Colour) -> Image.Image:
    picture = Image.new("RGBA", (SPRITE_SIZE, SPRITE_SIZE), (*ground, 0))
    pen = ImageDraw.Draw(picture)
    turn = math.pi / corners
    outline = [
        (_MIDDLE + (_MIDDLE - 2) * math.cos(a), _MIDDLE + (_MIDDLE - 2) * math.sin(a))
        for a in (turn + 2 * math.pi * k / corners for k in range(corners))
    ]
    pen.polygon(outline, fill=ground)
    size = 150 if corners == 4 else 180
    pen.text((_MIDDLE, _MIDDLE), character, fill=ink, font=ImageFont.load_default(size), anchor="mm", stroke_width=6)
    return picture
