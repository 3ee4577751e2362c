"""By how much one wrong label among the examples moves the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from laboratory.domains.answers import ModelAnswers
from laboratory.domains.evaluation import FEATURES, applied, fitted
from laboratory.domains.readings import domains_of
from laboratory.domains.restriction import Cost, restricted

SWAPS = 200


@dataclass(frozen=True)
class Swaps:
    """Of `count` swaps: the share that moved the answer by at most 0.1, the median and the largest move."""

    count: int
    within: float
    median: float
    largest: float


def swapped_labels(answers: Sequence[ModelAnswers], cost: Cost, count: int = SWAPS, seed: int = 0) -> Swaps:
    """Models in turn: one image of each is given another class that the network knows, and all is read again."""
    rng = np.random.default_rng(seed)
    small = [restricted(one, cost) for one in answers]
    domains = domains_of(small)
    mapping = fitted(domains)
    before = applied(mapping, domains.columns(FEATURES))
    chosen = [number % len(small) for number in range(count)]
    swapped = domains_of([_with_wrong_label(small[index], rng) for index in chosen])
    after = applied(mapping, swapped.columns(FEATURES))
    moves = np.abs(after - before[chosen])
    return Swaps(count, float((moves <= 0.1).mean()), float(np.median(moves)), float(moves.max()))


def _with_wrong_label(answers: ModelAnswers, rng: np.random.Generator) -> ModelAnswers:
    labels = answers.labels.copy()
    row = int(rng.integers(len(labels)))
    others = [label for label in range(answers.unpruned.shape[1]) if label != labels[row]]
    labels[row] = int(rng.choice(others))
    return replace(answers, labels=labels)
