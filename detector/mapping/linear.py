"""The mapping `linear`: the sum is the probability. Ordinary least squares on 0 and 1 fits it, the paper's choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from detector.mapping.port import MAPPINGS, MappingType
from detector.mapping.weighted_sum import WeightedSum


@dataclass(frozen=True)
class Linear(WeightedSum):
    """The paper's equation (2), b0 + sum of b_k A_k."""

    name: ClassVar[str] = "linear"
    version: ClassVar[int] = 1
    raw_is_probability: ClassVar[bool] = True

    def link(self, raw: float) -> float:
        """Itself."""
        return raw


MAPPINGS.add(MappingType(Linear))
