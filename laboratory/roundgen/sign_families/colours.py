"""Pairs of colours that can be told apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def colour_pair(rng: np.random.Generator, least_contrast: float = 80) -> tuple[Colour, Colour]:
    """Two uniform RGB colours whose brightness differs by `least_contrast` of 255 or more."""
    while True:
        first, second = rng.integers(0, 256, (2, 3))
        if abs(float((first - second) @ np.array(_LUMA))) >= least_contrast:
            return _colour(first), _colour(second)


def _colour(values: NDArray[np.int64]) -> Colour:
    red, green, blue = (int(value) for value in values)
    return red, green, blue
