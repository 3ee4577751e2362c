"""All values raised to a power: lighter or darker in the middle."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from detector.probing.kind import Family, Images, Number, ProbeKind


def _apply(images: Images, values: Mapping[str, Any]) -> Images:
    """By a table of the 256 values: powers of whole images may differ in their last bit between processors."""
    powers = np.array([math.pow(level / 255, values["gamma"]) for level in range(256)], dtype=np.float32)
    return powers[np.rint(255 * images).astype(np.uint8)]


KIND = ProbeKind(
    name="gamma",
    version=1,
    family=Family.COLOUR,
    description="every value raised to a power, darker above 1 and lighter below",
    parameters=MappingProxyType({"gamma": Number(0.1, 10.0, 1.0)}),
    apply=_apply,
)
