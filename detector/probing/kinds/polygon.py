"""A filled polygon of one colour near the middle of the image, where the sign is: TrojAI's other kind of trigger.

Shaped as the library's are: random corners in a box, joined in the order of their angles around their mean, stretched
to the box. Corners lie on a fine grid of whole numbers, so that what is inside is decided exactly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.probing.draws import image_keys, uniform
from detector.probing.kind import LEVEL, SEED, Family, Images, Number, ProbeKind, colour_planes

_GRID = 2**12  # steps of a box's side
_LEAST_AREA = 0.35  # of the box: thinner shapes are drawn again, for of few pixels nothing might be left
_MOST_DRAWS = 1000
_OFFSET = Number(-0.5, 0.5, 0.0)

_Corners = NDArray[np.int64]  # (sides, 2): x and y


def _apply(images: Images, values: Mapping[str, Any]) -> Images:
    side = images.shape[-1]
    box = max(round(values["size"] * side), 1)
    inside = _mask(values["sides"], values["seed"], box)
    colour = colour_planes(values)[:, :, 0]
    painted = images.copy()
    for image, key in zip(painted, image_keys(images), strict=True):
        left, top = _corner(values, side, box, key)
        window = image[:, max(top, 0) : max(top + box, 0), max(left, 0) : max(left + box, 0)]
        height, width = window.shape[1:]
        visible = inside[max(-top, 0) :, max(-left, 0) :][:height, :width]
        window[:, visible] = colour
    return painted


def _corner(values: Mapping[str, Any], side: int, box: int, key: int) -> tuple[int, int]:
    """Where the box begins, from the left and from above, in pixels."""
    shifts = values["jitter"] * (2 * uniform((values["seed"], key), (2,)) - 1)
    left, top = (
        math.floor((0.5 + offset + shift) * side - box / 2 + 0.5)
        for offset, shift in zip((values["dx"], values["dy"]), shifts.tolist(), strict=True)
    )
    return left, top


@cache
def _mask(sides: int, seed: int, box: int) -> NDArray[np.bool_]:
    """Which pixels (box, box) have their centres inside."""
    corners = 2 * box * _shape(sides, seed)
    centres = (2 * np.arange(box) + 1) * _GRID  # in the corners' unit, 2 box _GRID to the box
    inside = np.zeros((box, box), dtype=np.bool_)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        crosses = (y0 > centres) != (y1 > centres)
        # left of the edge where it passes this line of pixels, multiplied out so that all stays whole
        side = (centres[None, :] - x0) * (y1 - y0) - (x1 - x0) * (centres[:, None] - y0)
        inside ^= crosses[:, None] & ((side < 0) if y1 > y0 else (side > 0))
    inside.setflags(write=False)
    return inside


def _shape(sides: int, seed: int) -> _Corners:
    """Corners on a grid of _GRID steps, from 0 to _GRID both ways; of a thousand draws the first that fills enough of
    the box, the last if none does."""
    corners = np.empty((0, 2), dtype=np.int64)
    for attempt in range(_MOST_DRAWS):
        points = np.floor(_GRID * uniform((seed, sides, attempt), (sides, 2))).astype(np.int64)
        spread = points.max(axis=0) - points.min(axis=0)
        if not spread.all():
            continue
        points = (points - points.min(axis=0)) * _GRID // spread
        away = sides * points - points.sum(axis=0)
        order = sorted(range(sides), key=lambda i, away=away: math.atan2(away[i, 1], away[i, 0]))  # type: ignore[misc]
        corners = points[order]
        if _area(corners) >= _LEAST_AREA * _GRID**2:
            break
    return corners


def _area(corners: _Corners) -> float:
    following = np.roll(corners, -1, axis=0)
    return abs(int((corners[:, 0] * following[:, 1] - following[:, 0] * corners[:, 1]).sum())) / 2


KIND = ProbeKind(
    name="polygon",
    version=1,
    family=Family.POLYGON,
    description="a filled polygon of one colour near the middle, its place a little different in every image",
    parameters=MappingProxyType(
        {
            "sides": Number(3, 12, 4, whole=True),
            "red": LEVEL,
            "green": LEVEL,
            "blue": LEVEL,
            "size": Number(0.01, 1.0, 0.15),
            "dx": _OFFSET,
            "dy": _OFFSET,
            "jitter": Number(0.0, 0.5, 0.05),
            "seed": SEED,
        }
    ),
    apply=_apply,
    strength="size",
)
