"""What an entry of the registry says of a kind of probe: name, version, family, parameters, images to images.

Values come from bundles and are checked before a kind sees them; the images are ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.float32]
Value = int | float | str


class Family(StrEnum):
    """Which triggers a kind of probe resembles; readings are told by family."""

    FILTER = "filter"
    COLOUR = "colour"
    POLYGON = "polygon"
    CONTROL = "control"  # like no trigger: tells how the network takes to any change


@dataclass(frozen=True)
class Number:
    """A parameter that is a number from `low` to `high`, both included."""

    low: float
    high: float
    default: float
    whole: bool = False

    def accepts(self, value: object) -> bool:
        """Whether the value is a number of this kind within the bounds; true and false are none."""
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        return math.isfinite(value) and self.low <= value <= self.high

    def normal(self, value: Any) -> Value:
        """The one form of an accepted value, so that equal probes are equal."""
        return int(value) if self.whole else float(value)

    def schema(self) -> dict[str, object]:
        """As JSON schema."""
        return {"type": "integer" if self.whole else "number", "minimum": self.low, "maximum": self.high}

    def __str__(self) -> str:
        return f"a {'whole ' if self.whole else ''}number from {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Choice:
    """A parameter that is one of some words."""

    options: tuple[str, ...]
    default: str

    def accepts(self, value: object) -> bool:
        """Whether the value is one of the words."""
        return value in self.options

    def normal(self, value: Any) -> Value:
        """The one form of an accepted value, so that equal probes are equal."""
        return str(value)

    def schema(self) -> dict[str, object]:
        """As JSON schema."""
        return {"enum": list(self.options)}

    def __str__(self) -> str:
        return f"one of {', '.join(self.options)}"


Parameter = Number | Choice


@dataclass(frozen=True)
class ProbeKind:
    """A kind of probe.

    Attributes
    ----------
    version
        Raised whenever the same parameters come to mean other images: stored probes of another version are refused.
    description
        One sentence for tables and help.
    parameters
        By name.
    apply
        Images (N, 3, S, S), float32 RGB in [0, 1] of 8 bits, and the value of every parameter, to images of the same
        shape, not yet clipped or rounded. What becomes of an image depends on nothing but it and the values.
    strength
        The parameter that says how much is done, if one does: larger is more.
    """

    name: str
    version: int
    family: Family
    description: str
    parameters: Mapping[str, Parameter]
    apply: Callable[[Images, Mapping[str, Any]], Images] = field(compare=False)
    strength: str | None = None


STRENGTH = Number(0.0, 1.0, 1.0)
"""How much of the change there is, the rest being the image itself."""
SEED = Number(0, 2**32 - 1, 0, whole=True)
LEVEL = Number(0, 255, 0, whole=True)
"""One channel of a colour."""


def colour_planes(values: Mapping[str, Any]) -> Images:
    """The parameters red, green and blue (0 to 255) as planes (3, 1, 1) in [0, 1]."""
    levels = [values["red"], values["green"], values["blue"]]
    return (np.array(levels, dtype=np.float32) / np.float32(255))[:, None, None]


def blended(images: Images, changed: Images, strength: float) -> Images:
    """So much of the changed images, the rest of the images themselves."""
    return changed if strength == 1 else images + np.float32(strength) * (changed - images)
