"""What the networks that a mapping was learned from read: of each feature a few numbers, clean and poisoned apart.

In the same form, what was answered to networks that took no part in a fit.

No answer depends on them. They show where a network stands among those that are known, so they are optional: bundles
of before, and those whose models nobody has kept, have none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

MOST_NUMBERS = 41  # of a feature and a label: all networks where there are so few, else quantiles
MOST_FEATURES = 300  # of a configuration: beyond it nothing is kept, or files would grow without end
MOST_ANSWERS = 401  # of a label: enough for a curve
_DIGITS = 4  # significant ones


@dataclass(frozen=True)
class Known:
    """A number of clean and of poisoned networks each, ascending: a reading or an answer; either side may be empty."""

    clean: tuple[float, ...]
    poisoned: tuple[float, ...]

    def __post_init__(self) -> None:
        for values in (self.clean, self.poisoned):
            if list(values) != sorted(values) or not all(map(math.isfinite, values)):
                raise ValueError("expected finite numbers in ascending order of known networks")

    @classmethod
    def of(cls, values: NDArray[np.float64], poisoned: NDArray[Any], most: int = MOST_NUMBERS) -> Self:
        """Of numbers (M,) of networks with labels (M,), 1 = poisoned: all, or `most` quantiles of a label."""
        labels = np.asarray(poisoned).astype(bool)
        return cls(_kept(values[~labels], most), _kept(values[labels], most))

    def to_document(self) -> dict[str, Any]:
        """The JSON form."""
        return {"clean": list(self.clean), "poisoned": list(self.poisoned)}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Back from the JSON form; ValueError if numbers are not ascending."""
        return cls(_floats(document["clean"]), _floats(document["poisoned"]))

    @property
    def middle(self) -> float | None:
        """Half way between the medians of both; None unless both are known."""
        if not self.clean or not self.poisoned:
            return None
        return float(np.median(self.clean) + np.median(self.poisoned)) / 2


KnownNetworks = tuple[tuple[str, Known], ...]
"""Pairs of a feature's name and the readings of known networks; of any features, or of none."""


def known_networks(names: Sequence[str], values: NDArray[np.float64], poisoned: NDArray[Any]) -> KnownNetworks:
    """Of features (M, F) called `names`, of networks with labels (M,); nothing where there are too many features."""
    if len(names) > MOST_FEATURES:
        return ()
    return tuple((name, Known.of(values[:, column], poisoned)) for column, name in enumerate(names))


def known_to_document(known: KnownNetworks) -> dict[str, Any]:
    """The JSON form."""
    return {name: one.to_document() for name, one in known}


def known_from_document(document: Mapping[str, Any]) -> KnownNetworks:
    """Back from the JSON form, which must be valid against the schema; ValueError if numbers are not ascending."""
    return tuple((name, Known.from_document(one)) for name, one in document.items())


def _floats(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(map(float, values))


def _kept(values: NDArray[np.float64], most: int) -> tuple[float, ...]:
    few = np.sort(values) if len(values) <= most else np.quantile(values, np.linspace(0, 1, most))
    return tuple(float(f"{value:.{_DIGITS}g}") for value in few)
