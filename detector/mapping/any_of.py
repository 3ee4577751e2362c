"""The mapping "any one of these is enough": a noisy-or of causes, each of which looks at one feature.

A trojan shows in the reading of its own kind and in no other: a polygon that works on one class leaves the readings of
filters where clean networks have them. A sum of readings has to pay for that with every reading it adds; here each
feature z adds a hazard softplus(offset + slope z) >= 0, and the probability of being poisoned is 1 - exp(-sum of them).
It rises with every feature and falls with none. Features are told in units of the spread of clean networks and clipped
to what was seen in learning, so that nothing is extrapolated. Pure arithmetic; trusts its caller.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """One feature that may be enough on its own.

    Attributes
    ----------
    feature
        Its name.
    centre, spread
        Where clean networks have it, and by how much they differ; `spread` > 0.
    low, high
        The interval of (feature - centre) / spread that was seen in learning; beyond it nothing more is concluded.
    offset, slope
        The hazard is softplus(offset + slope (feature - centre) / spread), `slope` >= 0.
    """

    feature: str
    centre: float
    spread: float
    low: float
    high: float
    offset: float
    slope: float

    def __post_init__(self) -> None:
        numbers = (self.centre, self.spread, self.low, self.high, self.offset, self.slope)
        if not all(map(math.isfinite, numbers)):
            raise ValueError(f"expected finite numbers for {self.feature}")
        if self.spread <= 0 or self.slope < 0 or self.low > self.high:
            raise ValueError(f"expected spread > 0, slope >= 0 and low <= high for {self.feature}")

    def deviation(self, value: float) -> float:
        """The feature in units of the clean networks' spread, clipped to what was seen in learning."""
        return min(max((value - self.centre) / self.spread, self.low), self.high)

    def hazard(self, value: float) -> float:
        """What it adds, >= 0."""
        return softplus(self.offset + self.slope * self.deviation(value))


@dataclass(frozen=True)
class AnyOf:
    """Causes, and the hazard that is there without any of them, `background` >= 0."""

    background: float
    causes: tuple[Cause, ...]

    def __post_init__(self) -> None:
        names = [cause.feature for cause in self.causes]
        if not names or len(set(names)) < len(names):
            raise ValueError("expected one or more causes, each of a feature of its own")
        if not (math.isfinite(self.background) and self.background >= 0):
            raise ValueError(f"expected a finite background >= 0, got {self.background}")

    def hazards(self, features: Mapping[str, float]) -> dict[str, float]:
        """By feature what each cause adds; KeyError for a feature that is not there."""
        return {cause.feature: cause.hazard(features[cause.feature]) for cause in self.causes}

    def probability(self, features: Mapping[str, float]) -> float:
        """Of being poisoned, in [0, 1)."""
        return -math.expm1(-math.fsum((self.background, *self.hazards(features).values())))


def softplus(value: float) -> float:
    """log(1 + exp(value)) without overflow."""
    return max(value, 0.0) + math.log1p(math.exp(-abs(value)))


def to_document(mapping: AnyOf) -> dict[str, object]:
    """The JSON form."""
    return {
        "background": mapping.background,
        "causes": [dict(vars(cause)) for cause in mapping.causes],
    }


def from_document(document: Mapping[str, object]) -> AnyOf:
    """Back from the JSON form.

    Raises
    ------
    ValueError
        The document is not one of this mapping: a key too many or too few, a number that cannot be.
    """
    try:
        causes: Sequence[Mapping[str, object]] = document["causes"]  # type: ignore[assignment]
        return AnyOf(float(document["background"]), tuple(Cause(**one) for one in causes))  # type: ignore[arg-type]
    except (KeyError, TypeError) as error:
        raise ValueError(f"expected a background and causes of {', '.join(Cause.__annotations__)}: {error}") from error
