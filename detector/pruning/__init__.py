"""Pruned variants of a network as data: theta, ranking, sampling, coupling, and what each method writes."""

import detector.pruning.methods  # noqa: F401 - they register themselves
from detector.pruning.theta import LayerRange, PruningMethod, RankingMethod, SamplingMethod, SelectionRule, Theta
from detector.pruning.variant import RowPatch, Variant
from detector.pruning.variants import make_variants

__all__ = [
    "LayerRange",
    "PruningMethod",
    "RankingMethod",
    "RowPatch",
    "SamplingMethod",
    "SelectionRule",
    "Theta",
    "Variant",
    "make_variants",
]
