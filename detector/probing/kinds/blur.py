"""Out of focus: a Gaussian blur."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from detector.probing.kind import Family, Images, Number, ProbeKind

_REACH = 2.5  # standard deviations; beyond it is 1 % of the weight


def _apply(images: Images, values: Mapping[str, Any]) -> Images:
    deviation = values["deviation"] * images.shape[-1]
    reach = min(math.ceil(_REACH * deviation), images.shape[-1] - 1)
    weights = [math.exp(-((i / deviation) ** 2) / 2) for i in range(reach + 1)]
    whole = weights[0] + 2 * sum(weights[1:])
    blurred = [_blurred(image, [weight / whole for weight in weights]) for image in images]
    return np.stack(blurred) if blurred else images


def _blurred(image: Images, weights: list[float]) -> Images:
    """One image (3, S, S) at a time, so that it stays in the cache. The edge's pixels go on outside."""
    reach, side = len(weights) - 1, image.shape[1]
    for _ in ("down", "across"):
        padded = np.pad(image, ((0, 0), (reach, reach), (0, 0)), mode="edge")
        image = np.float32(weights[0]) * padded[:, reach : reach + side]
        for i, weight in enumerate(weights[1:], start=1):
            before, behind = (padded[:, start : start + side] for start in (reach - i, reach + i))
            image += np.float32(weight) * (before + behind)
        image = image.swapaxes(1, 2)
    return image


KIND = ProbeKind(
    name="blur",
    version=1,
    family=Family.CONTROL,
    description="Gaussian blur; its deviation is a share of the image's side",
    parameters=MappingProxyType({"deviation": Number(0.001, 0.1, 0.01)}),
    apply=_apply,
    strength="deviation",
)
