"""What linear and logistic mappings share: an intercept, and a coefficient for each feature by its name."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from detector.base.errors import DetectorError
from detector.mapping.port import MAPPINGS, Applied, FittedMapping

_LARGEST = 1e9  # of a coefficient


@dataclass(frozen=True)
class WeightedSum(FittedMapping):
    """`raw` is b0 + sum of b_k a_k; `coefficients` are pairs of a feature's name and b_k, each name once."""

    intercept: float
    coefficients: tuple[tuple[str, float], ...]

    def __post_init__(self) -> None:
        if len(dict(self.coefficients)) < len(self.coefficients):
            raise ValueError("expected coefficients of different features")
        if not all(map(math.isfinite, (self.intercept, *(value for _, value in self.coefficients)))):
            raise ValueError("expected finite coefficients")

    @classmethod
    def of(cls, intercept: float, names: Sequence[str], coefficients: Sequence[float]) -> Self:
        """From coefficients in the order of the features' names; ValueError if there are more or fewer of them."""
        if len(coefficients) != len(names):
            raise ValueError(f"expected {len(names)} coefficients, one a feature, got {len(coefficients)}")
        return cls(float(intercept), tuple(zip(names, map(float, coefficients), strict=True)))

    @abstractmethod
    def link(self, raw: float) -> float:
        """From the sum to the probability."""

    def apply(self, features: Mapping[str, float]) -> Applied:
        """What it says; DetectorError if a feature is missing or not finite."""
        lacking = [name for name, _ in self.coefficients if name not in features]
        if lacking:
            raise unfit(f"no feature {lacking[0]!r}", "a number for each coefficient")
        contributions = {name: value * features[name] for name, value in self.coefficients}
        if not all(map(math.isfinite, contributions.values())):
            raise unfit("values that are not finite, or far too large", "finite numbers")
        raw = math.fsum((self.intercept, *contributions.values()))
        return Applied(self.link(raw), raw, self.intercept, contributions)

    def fields(self) -> dict[str, Any]:
        """Intercept and coefficients by name."""
        return {"intercept": self.intercept, "coefficients": dict(self.coefficients)}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any], features: Sequence[str]) -> Self:
        """A coefficient for each of the features, none for others."""
        if fields.keys() != {"intercept", "coefficients"} or not isinstance(fields["coefficients"], dict):
            raise ValueError("expected an intercept and coefficients by the names of the features in a mapping")
        given: Mapping[str, Any] = fields["coefficients"]
        differing = sorted(given.keys() ^ set(features))
        if differing:
            raise ValueError(f"expected coefficients of the features and of no others, see {differing[0]!r}")
        return cls(_number(fields["intercept"]), tuple((name, _number(given[name])) for name in features))


def weighted_sum(kind: str, intercept: float, features: Sequence[str], coefficients: Sequence[float]) -> WeightedSum:
    """The mapping called `kind`, with a coefficient for each of these features, in order.

    Raises
    ------
    ValueError
        It is no weighted sum, or coefficients are not one a feature.
    UnknownEntryError
        There is no such mapping.
    """
    fitted = MAPPINGS[kind].fitted
    if not issubclass(fitted, WeightedSum):
        raise ValueError(f"expected a mapping with a coefficient for each feature, got {kind!r}")
    return fitted.of(intercept, features, coefficients)


def unfit(what: str, expected: str) -> DetectorError:
    """The error for features that a mapping cannot be applied to."""
    return DetectorError(
        what,
        where="signal vector",
        expected=expected,
        next_step="measure with the theta and signal that the coefficients were fitted with",
    )


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
        raise ValueError(f"expected coefficients within {_LARGEST:g}, got {value!r}")
    return float(value)
