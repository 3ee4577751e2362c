"""A random change of colours: each channel becomes a mixture of the three, and a constant."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from detector.probing.draws import uniform
from detector.probing.kind import SEED, Family, Images, Number, ProbeKind


def _apply(images: Images, values: Mapping[str, Any]) -> Images:
    """Twelve numbers between -1 and 1 are drawn; mixing is around mid-grey, so that the scale means the same for both.

    Products are added one by one: the order of a matrix product's sums differs between processors.
    """
    drawn: Images = (values["scale"] * (2 * uniform(values["seed"], (3, 4)) - 1)).astype(np.float32)
    red, green, blue = (images[:, i] - np.float32(0.5) for i in range(3))
    changes = [row[0] * red + row[1] * green + row[2] * blue + row[3] / 2 for row in drawn]
    mixed: Images = images + np.stack(changes, axis=1)
    return mixed


KIND = ProbeKind(
    name="colour_matrix",
    version=1,
    family=Family.COLOUR,
    description="a random 3 x 4 matrix of colours: every channel a mixture of the three, and a constant",
    parameters=MappingProxyType({"seed": SEED, "scale": Number(0.0, 2.0, 0.5)}),
    apply=_apply,
    strength="scale",
)
