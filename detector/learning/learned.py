"""What came of learning from the models of one architecture: parameters, or the reason why there are none.

Where there are too few models, or too few of one class, nothing is learned and the reason is told: the base rate of
the bundle answers then.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detector.mapping.parameters import LearnedParameters
from detector.sweep.readings import ArchitectureReadings

FEWEST_IN_A_CLASS = 3  # clean as well as poisoned: folds within folds need them


class Labelled(Protocol):
    """Models by name, with their labels (M,), 1 = poisoned."""

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def poisoned(self) -> NDArray[np.int64]: ...


@dataclass(frozen=True)
class Learned:
    """What came of one architecture, or of all together: parameters, or the reason why there are none."""

    architecture: str
    num_models: int
    num_poisoned: int
    parameters: LearnedParameters | None
    reason: str = ""


def learned(readings: ArchitectureReadings, parameters: LearnedParameters | None, reason: str = "") -> Learned:
    """The result; without parameters the base rate is all there is, and the reason is told."""
    return Learned(readings.architecture, len(readings.names), int(readings.poisoned.sum()), parameters, reason)


def fewest_in_a_class(models: Labelled) -> int:
    """How many models the rarer class has, clean or poisoned."""
    return int(np.bincount(models.poisoned, minlength=2).min())


def too_few(models: Labelled, min_models: int) -> str:
    """Why nothing can be learned from so few models; empty if they are enough."""
    if len(models.names) < min_models:
        return f"fewer than {min_models} models"
    if fewest_in_a_class(models) < FEWEST_IN_A_CLASS:
        return f"fewer than {FEWEST_IN_A_CLASS} models of one class"
    return ""


def doubtful_note(models: Labelled, doubtful: Collection[str]) -> tuple[str, ...]:
    """A note for the parameters if some of the models fail at their clean examples."""
    count = len(set(models.names) & set(doubtful))
    return (f"{count} of the models fail at their clean examples before pruning.",) if count else ()
