"""TrojAI's photo filters, as the library that made Rounds 2 to 4 has them: the triggers of half of those networks.

The definitions are those of `trojai/datagen/instagram_xforms.py` in ImageMagick's terms; what an operation does to a
number is ImageMagick 6's arithmetic with 16 bits a channel, and every operation rounds as it does, so that at most one
value in 200 differs from ImageMagick's, by one of 256 steps. Additions, products and roots are the same to the bit on
every processor; exponentials and powers are, once rounded to 16 bits, unless they lie within 1e-9 of a tie. Trusts
that images are numbers; knows nothing of networks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import cache, partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.float32]
_Values = NDArray[np.float64]  # (N, 3, S, S): whole numbers from 0 to _RANGE
_Colour = tuple[int, int, int]
_Curve = Callable[[float], float]  # from [0, 1] to [0, 1]

_RANGE = 65535.0  # ImageMagick's QuantumRange at 16 bits
_STEP = 257.0  # of which an 8-bit value is a multiple
_LUMA = (0.212656, 0.715158, 0.072186)  # ImageMagick's Rec709Luma
_TINY = 1e-12  # keeps grey pixels from dividing by zero
_VIGNETTE_SIZE = 1.5  # the gradient's side, as multiple of the image's
_CHUNK = 2**17  # values filtered at a time, so that they stay in the cache

_BLUE, _CREAM, _ORANGE, _MAROON = (0x22, 0x2B, 0x6D), (0xF7, 0xDA, 0xAE), (0xFF, 0x99, 0x00), (0x33, 0x00, 0x00)
_BLACK, _LAVENDER_BLUSH, _PEACH = (0, 0, 0), (0xCD, 0xC1, 0xC5), (0xFF, 0x99, 0x66)


class PhotoFilter(StrEnum):
    """The filters that Rounds 2 to 4 use as triggers."""

    GOTHAM = "gotham"
    NASHVILLE = "nashville"
    KELVIN = "kelvin"
    LOMO = "lomo"
    TOASTER = "toaster"


def apply_filter(name: PhotoFilter | str, images: Images, strength: float = 1.0) -> Images:
    """The images as the filter shows them.

    Parameters
    ----------
    images
        float32 (N, 3, S, S), RGB in [0, 1], S >= 2; rounded to 8 bits first, as files are.
    strength
        From 0 to 1: how much of the filtered image there is, the rest being the image itself. The filtered image has
        8 bits; the blend is not rounded.

    Raises
    ------
    ValueError
        For an unknown filter, a strength outside its range, or images that are not square.
    """
    run = _FILTERS[PhotoFilter(name)]
    if not 0 <= strength <= 1:
        raise ValueError(f"expected a strength from 0 to 1, got {strength}")
    if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3] or images.shape[2] < 2:
        raise ValueError(f"expected images (N, 3, S, S) of at least 2 pixels a side, got {images.shape}")
    filtered = np.empty_like(images)
    size = max(_CHUNK // (3 * images.shape[2] ** 2), 1)
    for start in range(0, len(images), size):
        values = _STEP * np.rint(255.0 * images[start : start + size].astype(np.float64))
        filtered[start : start + size] = np.rint(run(values) / _STEP) / 255.0
    return filtered if strength == 1 else images + np.float32(strength) * (filtered - images)


def _gotham(values: _Values) -> _Values:
    toned = _colourised(_modulated(values, 1.2, 0.1), _BLUE, 0.2)
    return _looked_up(toned, _GOTHAM_CURVES)


def _nashville(values: _Values) -> _Values:
    toned = _toned(_toned(values, _BLUE, dark=True), _CREAM, dark=False)
    return _auto_gamma(_modulated(_looked_up(toned, _NASHVILLE_CURVES), 1.0, 1.5))


def _kelvin(values: _Values) -> _Values:
    modulated = _modulated(_auto_gamma(values), 1.2, 0.5)
    return _quantum(0.8 * modulated + 0.2 * _planes(_ORANGE))


def _lomo(values: _Values) -> _Values:
    """Red and green have their black and their white point at half the range: a threshold."""
    contrasted = values.copy()
    contrasted[:, :2] = np.where(values[:, :2] > _RANGE / 2, _RANGE, 0.0)
    return contrasted * _vignette(_BLACK, values.shape[-1], outside=True)


def _toaster(values: _Values) -> _Values:
    toned = _modulated(_toned(values, _MAROON, dark=True), 1.5, 0.8)
    contrasted = _looked_up(toned, _TOASTER_CURVES)
    faded = _quantum(contrasted * _vignette(_LAVENDER_BLUSH, values.shape[-1], outside=True))
    return faded * _vignette(_PEACH, values.shape[-1], outside=False)


_FILTERS: Mapping[PhotoFilter, Callable[[_Values], _Values]] = MappingProxyType(
    {
        PhotoFilter.GOTHAM: _gotham,
        PhotoFilter.NASHVILLE: _nashville,
        PhotoFilter.KELVIN: _kelvin,
        PhotoFilter.LOMO: _lomo,
        PhotoFilter.TOASTER: _toaster,
    }
)


def _planes(colour: _Colour) -> _Values:
    """(3, 1, 1)."""
    return _STEP * np.array(colour, dtype=np.float64)[:, None, None]


def _modulated(values: _Values, brightness: float, saturation: float) -> _Values:
    """-modulate in hue, saturation and lightness, the hue left as it is: each channel's distance to the lightness is
    multiplied by one number a pixel."""
    highest, lowest = (edge / _RANGE for edge in (values.max(1, keepdims=True), values.min(1, keepdims=True)))
    lightness = (highest + lowest) / 2
    brighter = brightness * lightness
    # chroma = saturation x room, before and after; the room is what a lightness leaves for it
    factor = saturation * _room(brighter) / np.maximum(_room(lightness), _TINY)
    return _quantum(_RANGE * (brighter + (values / _RANGE - lightness) * factor))


def _room(lightness: _Values) -> _Values:
    """The largest chroma that a lightness allows; below zero for a lightness above 1, as ImageMagick has it."""
    return 2 * np.minimum(lightness, 1 - lightness)


def _quantum(values: _Values) -> _Values:
    return np.floor(np.clip(values, 0.0, _RANGE) + 0.5)


def _colourised(values: _Values, colour: _Colour, share: float) -> _Values:
    """-colorize, which cuts off what is less than a step."""
    percent = 100 * share
    return np.floor((values * (100 - percent) + _planes(colour) * percent) / 100)


def _toned(values: _Values, colour: _Colour, *, dark: bool) -> _Values:
    """The colour, as opaque as the image is light (or dark), blended half and half with the image."""
    red, green, blue = (weight * values[:, i : i + 1] for i, weight in enumerate(_LUMA))
    grey = _quantum(red + green + blue)
    opacity = 0.5 * (_RANGE - grey if dark else grey) / _RANGE
    return _quantum((opacity * _planes(colour) + 0.5 * values) / (opacity + 0.5))


def _auto_gamma(values: _Values) -> _Values:
    """-auto-gamma: the one power that brings the mean of all channels to the middle; what is all black turns
    white, as 0 to the power of 0 is 1."""
    means = values.astype(np.int64).sum((1, 2, 3)) / (values[0].size * _RANGE)
    powers = np.array([math.log(0.5) / math.log(mean) if 0 < mean < 1 else float(mean) for mean in means])
    return _quantum(_RANGE * (values / _RANGE) ** powers[:, None, None, None])


def _looked_up(values: _Values, curves: tuple[_Curve, ...]) -> _Values:
    """Each value as the curves make it, one after the other."""
    return _table(curves)[values.astype(np.int32)]


@cache
def _table(curves: tuple[_Curve, ...]) -> _Values:
    """What becomes of each value from 0 to _RANGE, (65536,)."""
    values = np.arange(_RANGE + 1)
    for curve in curves:
        values = _curve_table(curve)[values.astype(np.int32)]
    values.setflags(write=False)
    return values


@cache
def _curve_table(curve: _Curve) -> _Values:
    return _quantum(_RANGE * np.array([curve(i / _RANGE) for i in range(int(_RANGE) + 1)]))


def _gamma(value: float, gamma: float) -> float:
    return math.pow(value, 1 / gamma)


def _contrast(value: float) -> float:
    """-sigmoidal-contrast 3 around the middle, which takes 0 to 0 and 1 to 1."""
    return (1 + math.tanh(1.5 * (value - 0.5)) / math.tanh(0.75)) / 2


@cache
def _vignette(colour: _Colour, side: int, *, outside: bool) -> _Values:
    """What an image is multiplied with, (3, side, side): the middle of a radial gradient from nothing to the colour, or
    from the colour to nothing, over what the image would be."""
    whole = int(_VIGNETTE_SIZE * side)
    centre = (whole - 1) / 2
    distances = np.arange(side) + whole // 2 - side // 2 - centre
    radius = np.minimum(np.sqrt(distances[:, None] ** 2 + distances**2) / centre, 1.0)
    transparency = _quantum(_RANGE * (1 - radius if outside else radius))  # what ImageMagick 6 keeps, and rounds
    opacity = 1 - transparency / _RANGE
    factors: _Values = 1 - opacity * (1 - _planes(colour) / _RANGE)
    factors.setflags(write=False)
    return factors


_GOTHAM_CURVES: tuple[_Curve, ...] = (partial(_gamma, gamma=0.9), _contrast, _contrast)
_NASHVILLE_CURVES: tuple[_Curve, ...] = (_contrast,)
_TOASTER_CURVES: tuple[_Curve, ...] = (partial(_gamma, gamma=1.2), _contrast, _contrast)
