"""theta = {PM, SM, RM, p, |S|, |D|}: how a network is pruned and measured (arXiv 2101.12016, Section 3).

Plain data with closed vocabularies, valid by construction. `SelectionRule` says whose exact arithmetic turns theta
into filters: the paper's text, or the letter of NIST's reference implementation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum


class PruningMethod(StrEnum):
    """PM: what happens to a selected filter. The first three are the paper's; the others do not prune but provoke."""

    REMOVE = "Remove"  # taken out, with every channel coupled to it
    RESET = "Reset"  # its weights become 0
    TRIM = "Trim"  # its weights are clamped to mean +- k standard deviations
    AMPLIFY = "Amplify"  # the channel that it writes is multiplied by the gain
    STIMULATE = "Stimulate"  # the channel that it writes gets a constant added: the gain, in standard deviations


class SamplingMethod(StrEnum):
    """SM: which filters of the ranking each of the |S| variants selects."""

    RANDOM = "Random"
    UNIFORM = "Uniform"
    TARGETED = "Targeted"


class RankingMethod(StrEnum):
    """RM: the key by which the filters of a layer are sorted, ascending."""

    L1 = "L1"
    L2 = "L2"
    LINF = "Linf"
    STDEV = "stdev"


class SelectionRule(StrEnum):
    """Whose arithmetic: the paper's text (n = ceil(C p), true norms) or NIST's code to the letter (int(C p), ...)."""

    PAPER = "paper"
    NIST = "nist"


class LayerRange(StrEnum):
    """Which of the prunable layers are touched: all, or one third of them in the order of execution."""

    ALL = "all"
    EARLY = "early"
    MIDDLE = "middle"
    LATE = "late"


@dataclass(frozen=True)
class Theta:
    """One point of the search space.

    Attributes
    ----------
    p
        Share of each layer's filters that a variant prunes, 0 < p < 1.
    num_pruned_models
        |S|, the number of pruned variants, >= 1.
    num_images
        |D|, the number of example images used, >= 1.
    trim_k
        Half width of Trim's interval in standard deviations, > 0; unused by the other methods.
    seed
        For Random sampling only, >= 0: the same seed gives the same filters.
    gain
        Amplify's factor, or Stimulate's constant in standard deviations of the channel, > 0; unused by the others.
    layers
        Which layers are touched. Remove takes ALL only: what it removes reaches through the whole network.
    """

    pruning_method: PruningMethod
    sampling_method: SamplingMethod
    ranking_method: RankingMethod
    p: float
    num_pruned_models: int
    num_images: int
    trim_k: float = 0.5
    rule: SelectionRule = SelectionRule.PAPER
    seed: int = 0
    gain: float = 3.0
    layers: LayerRange = LayerRange.ALL

    def __post_init__(self) -> None:
        if not 0 < self.p < 1:
            raise ValueError(f"expected 0 < p < 1, got {self.p}")
        if self.num_pruned_models < 1:
            raise ValueError(f"expected at least one pruned model, got {self.num_pruned_models}")
        if self.num_images < 1:
            raise ValueError(f"expected at least one image, got {self.num_images}")
        if not self.trim_k > 0:
            raise ValueError(f"expected trim_k > 0, got {self.trim_k}")
        if self.seed < 0:
            raise ValueError(f"expected a seed of at least 0, got {self.seed}")
        if not (self.gain > 0 and math.isfinite(self.gain)):
            raise ValueError(f"expected a finite gain > 0, got {self.gain}")
        if self.pruning_method is PruningMethod.REMOVE and self.layers is not LayerRange.ALL:
            raise ValueError(f"expected all layers with Remove, got {self.layers}")
