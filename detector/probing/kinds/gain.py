"""Channels multiplied: a coloured light."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from detector.probing.kind import STRENGTH, Family, Images, Number, ProbeKind

_GAIN = Number(0.0, 4.0, 1.0)


def _apply(images: Images, values: Mapping[str, Any]) -> Images:
    gains = np.array([values["red"], values["green"], values["blue"]], dtype=np.float32)
    return images * (1 + np.float32(values["strength"]) * (gains - 1))[:, None, None]


KIND = ProbeKind(
    name="gain",
    version=1,
    family=Family.COLOUR,
    description="each channel multiplied by a number of its own",
    parameters=MappingProxyType({"red": _GAIN, "green": _GAIN, "blue": _GAIN, "strength": STRENGTH}),
    apply=_apply,
    strength="strength",
)
