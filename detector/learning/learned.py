"""What came of learning from the models of one architecture: parameters, or the reason why there are none.

Where there are too few models, or too few of one class, nothing is learned and the reason is told: the base rate of
the bundle answers then.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
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
    """What came of one architecture, or of all together: parameters, or the reason why there are none.

    `held_out` is what each model, by its name, was answered by fits on others, on average over the repeats of the
    cross-validation; empty where nothing was learned.
    """

    architecture: str
    num_models: int
    num_poisoned: int
    parameters: LearnedParameters | None
    reason: str = ""
    held_out: Mapping[str, float] = field(default_factory=dict)


def learned(
    readings: ArchitectureReadings,
    parameters: LearnedParameters | None,
    reason: str = "",
    answers: NDArray[np.float64] | None = None,
) -> Learned:
    """The result; without parameters the base rate is all there is, and the reason is told.

    `answers` (repeats, M, P) are held out, the first of P those under the true labels.
    """
    held_out = {} if answers is None or parameters is None else held_out_by_name(readings.names, answers)
    counts = len(readings.names), int(readings.poisoned.sum())
    return Learned(readings.architecture, *counts, parameters, reason, held_out)


def held_out_by_name(names: Sequence[str], answers: NDArray[np.float64]) -> dict[str, float]:
    """Of answers (repeats, M, P) to models of these names, the mean over the repeats under the true labels."""
    return dict(zip(names, answers[:, :, 0].mean(axis=0).tolist(), strict=True))


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
