"""Corners that fade to a colour."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from detector.probing.kind import LEVEL, STRENGTH, Family, Images, ProbeKind, colour_planes


def _apply(images: Images, values: Mapping[str, Any]) -> Images:
    """Nothing in the middle, all of the strength in the corners, by the square of the distance."""
    side = images.shape[-1]
    squares = (np.arange(side, dtype=np.float32) * 2 - (side - 1)) ** 2
    fade = (squares[:, None] + squares) / (2 * max(squares.max(), np.float32(1)))
    share: Images = np.float32(values["strength"]) * fade
    return images + share * (colour_planes(values) - images)


KIND = ProbeKind(
    name="vignette",
    version=1,
    family=Family.COLOUR,
    description="corners that fade to a colour",
    parameters=MappingProxyType({"red": LEVEL, "green": LEVEL, "blue": LEVEL, "strength": STRENGTH}),
    apply=_apply,
    strength="strength",
)
