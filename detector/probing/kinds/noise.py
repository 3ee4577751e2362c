"""Grain: every value of every image changed by chance."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from detector.probing.draws import bell, image_keys
from detector.probing.kind import SEED, Family, Images, Number, ProbeKind


def _apply(images: Images, values: Mapping[str, Any]) -> Images:
    scale = np.float32(values["deviation"])
    noisy = images.copy()
    for image, key in zip(noisy, image_keys(images), strict=True):
        image += scale * bell((values["seed"], key), image.shape).astype(np.float32)
    return noisy


KIND = ProbeKind(
    name="noise",
    version=1,
    family=Family.CONTROL,
    description="nearly normal noise, independent for each value; its deviation is a share of the range",
    parameters=MappingProxyType({"deviation": Number(0.0, 1.0, 0.1), "seed": SEED}),
    apply=_apply,
    strength="deviation",
)
