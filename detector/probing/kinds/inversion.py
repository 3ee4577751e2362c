"""Light and dark exchanged, colours by their opposites."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from detector.probing.kind import STRENGTH, Family, Images, ProbeKind, blended


def _apply(images: Images, values: Mapping[str, Any]) -> Images:
    return blended(images, 1 - images, values["strength"])


KIND = ProbeKind(
    name="inversion",
    version=1,
    family=Family.CONTROL,
    description="the negative of the image",
    parameters=MappingProxyType({"strength": STRENGTH}),
    apply=_apply,
    strength="strength",
)
