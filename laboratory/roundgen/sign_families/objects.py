"""Things that look photographed: filtered noise in an irregular outline, shaded, each image one of several looks.

A class has statistics of its own (colours, roughness, grain direction, structure) and an outline; the noise and the
light differ from look to look.
"""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from laboratory.roundgen.sign_families.glyphs import lump
from laboratory.roundgen.signs import SPRITE_SIZE

LOOKS = 4
_STRUCTURES = 4
_Field = NDArray[np.float64]


@dataclass(frozen=True)
class _Kind:
    """The statistics of one class: `palette` 3 x 3 (RGB in [0, 1], dark to bright), spectral slope, stretch of the
    grain, its direction, structure and period."""

    outline: tuple[tuple[float, float], ...]
    palette: _Field
    slope: float
    stretch: float
    direction: float
    structure: int
    period: float


def draw_objects(rng: np.random.Generator, classes: int) -> NDArray[np.uint8]:
    """Four RGBA pictures (256 x 256 x 4) for each of the classes."""
    first, order = rng.random(), rng.permutation(classes)
    kinds = [_draw_kind(rng, first + place / classes) for place in order]
    return np.stack([_draw_look(rng, kind) for kind in kinds for _ in range(LOOKS)])


def _draw_kind(rng: np.random.Generator, hue: float) -> _Kind:
    """Hues are spread over the classes, everything else is chance."""
    shades = sorted((rng.uniform(0.1, 0.4), rng.uniform(0.4, 0.7), rng.uniform(0.7, 1.0)))
    hues = hue + rng.normal(0, 0.06, 3)
    colours = [colorsys.hsv_to_rgb(h % 1, rng.uniform(0.2, 1.0), v) for h, v in zip(hues, shades, strict=True)]
    return _Kind(
        tuple(lump(rng, 0.16)),
        np.array(colours),
        float(rng.uniform(0.8, 2.2)),
        float(rng.uniform(1, 5)),
        float(rng.uniform(0, math.pi)),
        int(rng.integers(_STRUCTURES)),
        float(rng.uniform(0.25, 0.6)),
    )


def _draw_look(rng: np.random.Generator, kind: _Kind) -> NDArray[np.uint8]:
    level = 0.5 * _noise(rng, kind) + 0.5 * _structure(rng, kind)
    stops = np.linspace(0, 1, 3)
    colour = np.stack([np.interp(level, stops, kind.palette[:, channel]) for channel in range(3)], -1)
    colour *= _light(rng)[..., None]
    alpha = Image.new("L", (SPRITE_SIZE, SPRITE_SIZE))
    ImageDraw.Draw(alpha).polygon(list(kind.outline), fill=255)
    rgb = np.clip(colour * 255, 0, 255).astype(np.uint8)
    return np.concatenate([rgb, np.asarray(alpha)[..., None]], -1)


def _axes() -> tuple[_Field, _Field]:
    axis = (np.arange(SPRITE_SIZE) + 0.5) / (SPRITE_SIZE / 2) - 1
    return np.meshgrid(axis, axis)


def _noise(rng: np.random.Generator, kind: _Kind) -> _Field:
    """Noise with the class's spectrum, in [0, 1]."""
    along, across = np.meshgrid(np.fft.rfftfreq(SPRITE_SIZE), np.fft.fftfreq(SPRITE_SIZE))
    cos, sin = math.cos(kind.direction), math.sin(kind.direction)
    stretched = np.hypot((along * cos + across * sin) * kind.stretch, across * cos - along * sin)
    amplitude = (stretched + 2 / SPRITE_SIZE) ** -kind.slope
    phases = np.exp(2j * math.pi * rng.random(amplitude.shape))
    field: _Field = np.fft.irfft2(amplitude * phases, s=(SPRITE_SIZE, SPRITE_SIZE))
    return np.asarray(np.clip(0.5 + 0.22 * (field - field.mean()) / field.std(), 0, 1))


def _structure(rng: np.random.Generator, kind: _Kind) -> _Field:
    """Bands, cells, spots, or a smooth swell."""
    x, y = _axes()
    u = x * math.cos(kind.direction) + y * math.sin(kind.direction) + rng.uniform(0, kind.period)
    v = y * math.cos(kind.direction) - x * math.sin(kind.direction)
    wave = partial(np.multiply, 2 * math.pi / kind.period)
    if kind.structure == 0:
        return np.asarray(0.5 + 0.5 * np.sin(wave(u + 0.15 * np.sin(3 * v))))
    if kind.structure == 1:
        seeds = rng.uniform(-1, 1, (round(3 / kind.period**2), 2))
        nearest = np.min([np.hypot(x - a, y - b) for a, b in seeds], 0)
        return np.asarray(np.clip(nearest / kind.period * 1.5, 0, 1))
    if kind.structure == 2:
        return np.asarray(np.clip(0.5 + np.sin(wave(u)) * np.sin(wave(v)), 0, 1))
    return np.asarray(np.clip(0.5 + 0.5 * u, 0, 1))


def _light(rng: np.random.Generator) -> _Field:
    """Light from one side, and the edge darker than the middle."""
    x, y = _axes()
    angle = rng.uniform(0, 2 * math.pi)
    side = rng.uniform(0, 0.3) * (x * math.cos(angle) + y * math.sin(angle))
    return np.asarray(1.1 + side - 0.35 * np.clip(x * x + y * y, 0, 1))
