"""What a cheaper configuration would have measured: fewer probes, the first of the bank, and fewer images.

A detection chooses images by turns over the classes; so does this, among the images that were measured.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detector.probing.banks import bank
from detector.probing.kind import Family
from laboratory.domains.answers import ModelAnswers


@dataclass(frozen=True)
class Cost:
    """So many of the first probes that any reading of the mapping is read off, on so many images."""

    probes: int
    images: int

    @property
    def passes(self) -> int:
        """Forward passes, one image each, of the probes; those of the network as it is come on top."""
        return self.probes * self.images


_STRENGTH = 0.75  # of filters: at full strength clean networks collapse into one class as well
PROBES = tuple(
    probe
    for probe in bank("standard")
    if probe.family is Family.POLYGON or (probe.family is Family.FILTER and probe.strength == _STRENGTH)
)
"""Of the bank `standard` every polygon, and every filter at one strength, in turn while there are filters: a detection
does without colours and controls."""

FULL = Cost(len(PROBES), 40)
LADDER = (FULL, Cost(len(PROBES), 15), Cost(20, 10), Cost(12, 6))
"""What detections measure, the costliest that fits the time."""


def restricted(answers: ModelAnswers, cost: Cost) -> ModelAnswers:
    """The same model, measured at that cost."""
    wanted = PROBES[: cost.probes]
    places = [answers.probes.index(probe) for probe in wanted]
    rows = by_turns(answers.labels, cost.images)
    return replace(
        answers,
        labels=answers.labels[rows],
        unpruned=answers.unpruned[rows],
        probes=wanted,
        probed=answers.probed[places][:, rows],
    )


def by_turns(labels: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Indices of `count` of the images, ascending: classes take turns while they have any."""
    turn = np.zeros(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        turn[own] = np.arange(len(own))
    first: NDArray[np.int64] = np.sort(np.lexsort((labels, turn))[:count])
    return first
