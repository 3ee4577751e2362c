"""TrojAI's photo filters, at any strength."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from detector.probing.filters import PhotoFilter, apply_filter
from detector.probing.kind import STRENGTH, Choice, Family, Images, ProbeKind


def _apply(images: Images, values: Mapping[str, Any]) -> Images:
    return apply_filter(values["filter"], images, values["strength"])


KIND = ProbeKind(
    name="photo_filter",
    version=1,
    family=Family.FILTER,
    description="one of the photo filters that Rounds 2 to 4 use as triggers",
    parameters=MappingProxyType(
        {"filter": Choice(tuple(PhotoFilter), PhotoFilter.GOTHAM), "strength": STRENGTH},
    ),
    apply=_apply,
    strength="strength",
)
