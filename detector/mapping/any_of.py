"""The mapping `any_of`: any one of its features is enough to call a network poisoned (a noisy-or).

A trojan shows in the readings of its own kind and in no others: a polygon that works on one class leaves the readings
of photo filters where clean networks have them. A weighted sum makes such a trojan pay for every reading that it is not
seen in. Here each feature z adds a hazard softplus(offset + slope z) >= 0, and the probability of being poisoned is
1 - exp(-sum of hazards): it rises with every feature and falls with none. Features are told in units of the spread of
clean networks, clipped to what was seen in learning, so that nothing is concluded from extrapolation, and compressed,
log(1 + z), since the step from one spread to two says more than that from ten to eleven.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self

from detector.mapping.port import MAPPINGS, Applied, FittedMapping, MappingType
from detector.mapping.weighted_sum import unfit

_LARGEST = 1e6  # of any number in a file


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
        The hazard is softplus(offset + slope z), z the compressed deviation, `slope` >= 0.
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
        if not all(abs(number) <= _LARGEST for number in numbers):
            raise ValueError(f"expected numbers within {_LARGEST:g} for {self.feature!r}")
        if self.spread <= 0 or self.slope < 0 or self.low > self.high:
            raise ValueError(f"expected spread > 0, slope >= 0 and low <= high for {self.feature!r}")

    def deviation(self, value: float) -> float:
        """The feature in units of the clean networks' spread, clipped to what was seen in learning."""
        return min(max((value - self.centre) / self.spread, self.low), self.high)

    def hazard(self, value: float) -> float:
        """What it adds, >= 0."""
        return softplus(self.offset + self.slope * compressed(self.deviation(value)))


@dataclass(frozen=True)
class AnyOf(FittedMapping):
    """Causes, and the hazard that is there without any of them, `background` >= 0."""

    name: ClassVar[str] = "any_of"
    version: ClassVar[int] = 1

    background: float
    causes: tuple[Cause, ...]

    def __post_init__(self) -> None:
        names = [cause.feature for cause in self.causes]
        if not names or len(set(names)) < len(names):
            raise ValueError("expected one or more causes, each of a feature of its own")
        if not 0 <= self.background <= _LARGEST:
            raise ValueError(f"expected a background of 0 or more, got {self.background}")

    def apply(self, features: Mapping[str, float]) -> Applied:
        """What it says; the contributions are the hazards. DetectorError if a feature is missing or not finite."""
        lacking = [cause.feature for cause in self.causes if cause.feature not in features]
        if lacking:
            raise unfit(f"no feature {lacking[0]!r}", "a number for each cause")
        if not all(math.isfinite(features[cause.feature]) for cause in self.causes):
            raise unfit("values that are not finite", "finite numbers")
        hazards = {cause.feature: cause.hazard(features[cause.feature]) for cause in self.causes}
        raw = math.fsum((self.background, *hazards.values()))
        return Applied(-math.expm1(-raw), raw, self.background, hazards)

    def fields(self) -> dict[str, Any]:
        """The background, and the causes with their numbers."""
        return {"background": self.background, "causes": [asdict(cause) for cause in self.causes]}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any], features: Sequence[str]) -> Self:
        """A cause for each of the features, none for others."""
        if fields.keys() != {"background", "causes"} or not isinstance(fields["causes"], list):
            raise ValueError("expected a background and a list of causes in a mapping")
        mapping = cls(_number(fields["background"]), tuple(map(_cause, fields["causes"])))
        differing = sorted({cause.feature for cause in mapping.causes} ^ set(features))
        if differing:
            raise ValueError(f"expected causes of the features and of no others, see {differing[0]!r}")
        return mapping


def compressed(deviation: float) -> float:
    """log(1 + z) of z, odd in z."""
    return math.copysign(math.log1p(abs(deviation)), deviation)


def softplus(value: float) -> float:
    """log(1 + exp(value)) without overflow."""
    return max(value, 0.0) + math.log1p(math.exp(-abs(value)))


def _cause(document: Any) -> Cause:
    names = [field.name for field in fields(Cause)]
    if not isinstance(document, dict) or document.keys() != set(names):
        raise ValueError(f"expected a cause with {', '.join(names)}")
    return Cause(str(document["feature"]), *(_number(document[name]) for name in names[1:]))


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"expected a number, got {value!r}")
    return float(value)


MAPPINGS.add(MappingType(AnyOf))
