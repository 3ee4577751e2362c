"""The mapping `logistic`: the sum is the log-odds of the probability."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from detector.mapping.port import MAPPINGS, MappingType
from detector.mapping.weighted_sum import WeightedSum


@dataclass(frozen=True)
class Logistic(WeightedSum):
    """1 / (1 + e^-x) of b0 + sum of b_k a_k."""

    name: ClassVar[str] = "logistic"
    version: ClassVar[int] = 1

    def link(self, raw: float) -> float:
        """1 / (1 + e^-x), without overflow for large negative x."""
        return 1 / (1 + math.exp(-raw)) if raw >= 0 else math.exp(raw) / (1 + math.exp(raw))


MAPPINGS.add(MappingType(Logistic))
