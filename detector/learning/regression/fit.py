"""A fitted regression of raw features: the form in which every regression hands over what it has learned.

Standardisation is folded into the coefficients, as `detector.mapping.predict` applies them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detector.learning.regression.scale import Scale
from detector.mapping.configuration import Clip
from detector.mapping.port import FittedMapping
from detector.mapping.weighted_sum import weighted_sum

Array = NDArray[np.float64]

_DIGITS = 6  # significant ones of coefficients: the last of all differ between machines


class Fitted(Protocol):
    """Whatever was fitted on raw feature vectors."""

    def probabilities(self, vectors: Array, clip: Clip) -> Array:
        """Of being poisoned, clipped: for vectors (N, length) an array (N,)."""
        ...

    def mapping(self, features: Sequence[str]) -> FittedMapping:
        """As a mapping of features of these names, in the order of the vectors."""
        ...


@dataclass(frozen=True)
class Fit:
    """A fitted regression on raw feature vectors."""

    kind: str
    intercept: float
    coefficients: tuple[float, ...]

    def probabilities(self, vectors: Array, clip: Clip) -> Array:
        """Of being poisoned, clipped: for vectors (N, length) an array (N,), as `predict` has them each."""
        raw = self.intercept + vectors @ np.array(self.coefficients)
        linked = raw if self.kind == "linear" else 1 / (1 + np.exp(-np.clip(raw, -700, 700)))
        clipped: Array = np.clip(linked, clip.low, clip.high)
        return clipped

    def mapping(self, features: Sequence[str]) -> FittedMapping:
        """As a mapping of features of these names, in the order of the vectors.

        Raises
        ------
        ValueError
            The kind is no weighted sum, or there are more or fewer names than coefficients.
        """
        return weighted_sum(self.kind, self.intercept, features, self.coefficients)

    def shortened(self) -> Fit:
        """With six significant digits, as it is written to files."""
        coefficients = tuple(float(f"{value:.{_DIGITS}g}") for value in self.coefficients)
        return Fit(self.kind, float(f"{self.intercept:.{_DIGITS}g}"), coefficients)


def raw_fits(kind: str, intercept: float, coefficients: Array, scale: Scale) -> tuple[Fit, ...]:
    """Of coefficients (d,) of standardised features: for each architecture the same regression of the raw ones."""
    fits = []
    for means, deviations in zip(scale.means, scale.deviations, strict=True):
        raw = coefficients / deviations
        fits.append(Fit(kind, float(intercept - means @ raw), tuple(raw.tolist())))
    return tuple(fits)
