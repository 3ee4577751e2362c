"""Colours taken away."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from detector.probing.kind import STRENGTH, Family, Images, ProbeKind, blended

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


def _apply(images: Images, values: Mapping[str, Any]) -> Images:
    red, green, blue = (_LUMA[i] * images[:, i : i + 1] for i in range(3))
    return blended(images, np.repeat(red + green + blue, 3, axis=1), values["strength"])


KIND = ProbeKind(
    name="grey",
    version=1,
    family=Family.CONTROL,
    description="the image in grey",
    parameters=MappingProxyType({"strength": STRENGTH}),
    apply=_apply,
    strength="strength",
)
