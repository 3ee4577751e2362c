"""A study: whose models are learned from, from how many on, and by which folds and permutations that is judged.

Shared by all ways to learn: with theta given, by a search, and from a start.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.learning.evaluation.design import Design, make_design
from detector.learning.evaluation.folds import FOLDS, REPEATS
from detector.learning.evaluation.permutation import PERMUTATIONS
from detector.learning.learned import Labelled, doubtful_note, fewest_in_a_class, too_few
from detector.rounds.preprocessing import Preprocessing


@dataclass(frozen=True)
class Study:
    """What is the same for all architectures.

    Attributes
    ----------
    preprocessing
        How the images of the models become network input.
    min_models
        From how many models of an architecture on something is learned.
    round_name, doubtful
        Where the models come from, and the names of those that fail at their clean examples.
    repeats, permutations
        Of the cross-validation, and of the labels.
    """

    preprocessing: Preprocessing
    min_models: int
    seed: int
    round_name: str
    doubtful: Collection[str] = ()
    repeats: int = REPEATS
    permutations: int = PERMUTATIONS

    def too_few(self, models: Labelled) -> str:
        """Why nothing can be learned from so few models; empty if they are enough."""
        return too_few(models, self.min_models)

    def notes(self, models: Labelled) -> tuple[str, ...]:
        """What the parameters should say of these models."""
        return doubtful_note(models, self.doubtful)

    def design(self, groups: Sequence[Labelled]) -> Design:
        """Of the models of one or more architectures."""
        labels: list[NDArray[np.int64]] = [models.poisoned for models in groups]
        counts = {"repeats": self.repeats, "permutations": self.permutations}
        return make_design(labels, self.seed, folds=folds_of(*groups), **counts)


def folds_of(*groups: Labelled) -> int:
    """How many folds: the usual number, or as many as the rarer class of an architecture has models."""
    return min(FOLDS, *map(fewest_in_a_class, groups))
