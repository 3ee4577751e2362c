"""How much depends on the trojan: triggers that work on one class, on two, or on all, each against clean models.

Of a round whose recipes are known; the answers are the published, held-out ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.learning.evaluation.metrics import Metrics, judge
from detector.sweep.readings import ArchitectureReadings


@dataclass(frozen=True)
class BySources:
    """Figures of all clean models with the poisoned ones whose trigger works on `sources`, in words."""

    sources: str
    judgement: Metrics


def judge_by_sources(
    answers: NDArray[np.float64],
    labels: NDArray[np.int64],
    readings: Sequence[ArchitectureReadings],
    sources: Mapping[str, str],
    seed: int,
) -> tuple[BySources, ...]:
    """Of answers (repeats, N, P) to the models of the readings, labels (N, P).

    `sources` says of poisoned models by name which classes their trigger works on; nothing is said of kinds of fewer
    than two models.
    """
    names = [name for one in readings for name in one.names]
    poisoned = labels[:, 0] == 1
    told = np.array([sources.get(name, "") if bad else "" for name, bad in zip(names, poisoned, strict=True)])
    parts = {kind: ~poisoned | (told == kind) for kind in sorted(set(told) - {""}) if (told == kind).sum() > 1}
    return tuple(BySources(kind, judge(answers[:, part, :1], labels[part, :1], seed)) for kind, part in parts.items())
