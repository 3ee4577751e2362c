"""Glyphs: strokes along random splines, or blobs on a mirrored grid, on a disc, a square or a lump."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from laboratory.roundgen.sign_families.colours import Colour, colour_pair
from laboratory.roundgen.sign_families.distinct import draw_distinct
from laboratory.roundgen.signs import SPRITE_SIZE

_MIDDLE = SPRITE_SIZE / 2
_GRID = 5


def draw_glyphs(rng: np.random.Generator, classes: int) -> NDArray[np.uint8]:
    """One RGBA picture (256 x 256 x 4) for each of the classes; a model has strokes, or blobs, on one kind of base."""
    strokes, base = bool(rng.random() < 0.5), int(rng.integers(3))
    shared = colour_pair(rng, 110) if rng.random() < 0.25 else None

    def draw() -> Image.Image:
        ground, ink = shared or colour_pair(rng)
        picture = _draw_base(rng, base, ground)
        (_draw_strokes if strokes else _draw_blobs)(rng, picture, ink)
        return picture

    return draw_distinct(draw, classes)


def _draw_base(rng: np.random.Generator, base: int, colour: Colour) -> Image.Image:
    picture = Image.new("RGBA", (SPRITE_SIZE, SPRITE_SIZE), (*colour, 0))
    pen = ImageDraw.Draw(picture)
    if base == 0:
        pen.ellipse((2, 2, SPRITE_SIZE - 3, SPRITE_SIZE - 3), fill=colour)
    elif base == 1:
        pen.rounded_rectangle(
            (14, 14, SPRITE_SIZE - 15, SPRITE_SIZE - 15), radius=int(rng.integers(4, 60)), fill=colour
        )
    else:
        pen.polygon(lump(rng), fill=colour)
    return picture


def lump(rng: np.random.Generator, depth: float = 0.12) -> list[tuple[float, float]]:
    """An irregular closed outline in pixels of a sprite, from a few waves around a circle; it touches the edge."""
    angles = np.linspace(0, 2 * math.pi, 120, endpoint=False)
    radius = np.ones(len(angles))
    for k in (2, 3, 4, 5):
        radius += rng.uniform(-depth, depth) * np.cos(k * angles + rng.uniform(0, 2 * math.pi))
    radius = radius / radius.max() * (_MIDDLE - 3)
    return [(_MIDDLE + r * math.cos(a), _MIDDLE + r * math.sin(a)) for r, a in zip(radius, angles, strict=True)]


def _draw_strokes(rng: np.random.Generator, picture: Image.Image, ink: Colour) -> None:
    """Two to four cubic Bezier curves, half of the glyphs mirrored."""
    pen, width = ImageDraw.Draw(picture), float(rng.uniform(20, 34))
    mirrored = rng.random() < 0.5
    for _ in range(rng.integers(2, 4 if mirrored else 5)):
        points = _bezier(rng.uniform(-0.62, 0.62, (4, 2)) * _MIDDLE)
        for sign in (1, -1) if mirrored else (1,):
            for x, y in points * (sign, 1) + _MIDDLE:
                pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=ink)


def _bezier(control: NDArray[np.float64]) -> NDArray[np.float64]:
    t = np.linspace(0, 1, 60)[:, None]
    weights = np.concatenate([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3], 1)
    points: NDArray[np.float64] = weights @ control
    return points


def _draw_blobs(rng: np.random.Generator, picture: Image.Image, ink: Colour) -> None:
    """Cells of a 5 x 5 grid, the left half mirrored, about half of them filled."""
    pen, cell = ImageDraw.Draw(picture), 1.24 * _MIDDLE / _GRID
    left = rng.random((_GRID, _GRID // 2 + 1)) < 0.5
    cells = np.concatenate([left, left[:, :-1][:, ::-1]], 1)
    for row, column in np.argwhere(cells):
        x, y = (float(i) * cell + _MIDDLE - cell * _GRID / 2 for i in (column, row))
        pen.rectangle((x, y, x + cell, y + cell), fill=ink)
