"""Permutation tests: what labels that mean nothing would give.

Labels are shuffled within groups where these are given, so that knowing the group is no merit, or swapped inside the
pairs of stratified folds. The true labels are counted in: with n permutations a p-value is at least 1 / (n + 1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detector.learning.evaluation.folds import Indices, Pairs, group_rows
from detector.learning.evaluation.rounding import rounded

Array = NDArray[np.float64]

PERMUTATIONS = 200  # the smallest p-value is then 0.005


def shuffled_labels(labels: Indices, rng: np.random.Generator, groups: ArrayLike | None = None) -> Indices:
    """Labels (N,) in a random order, inside each group (N,) where these are given."""
    shuffled = labels.copy()
    for rows in group_rows(groups, len(labels)):
        shuffled[rows] = rng.permutation(labels[rows])
    return shuffled


def swapped_labels(labels: Indices, pairs: Pairs, rng: np.random.Generator) -> Indices:
    """Labels (n,) after the members of half of the pairs, on average, have exchanged theirs."""
    swapped = labels.copy()
    chosen = pairs.paired[rng.random(len(pairs.paired)) < 0.5]
    swapped[chosen] = labels[chosen[:, ::-1]]
    return swapped


def permuted_labels(
    labels: Indices, permutations: int, rng: np.random.Generator, groups: ArrayLike | None = None
) -> Indices:
    """(N, 1 + permutations): the true labels (N,), then shuffled ones."""
    return np.column_stack([labels, *(shuffled_labels(labels, rng, groups) for _ in range(permutations))])


def p_value(values: Array, *, larger_is_better: bool = True) -> float:
    """The share of values (1 + permutations,) that are at least as good as the first one, which counts itself."""
    compared = rounded(values)
    return float(np.mean(compared >= compared[0] if larger_is_better else compared <= compared[0]))


@dataclass(frozen=True)
class PermutationTest:
    """What the true labels give, what each permutation gives (permutations,), and how rare that is."""

    value: float
    chance: Array
    p_value: float


def permutation_test(
    statistic: Callable[[Indices], float],
    labels: Indices,
    rng: np.random.Generator,
    *,
    groups: ArrayLike | None = None,
    permutations: int = PERMUTATIONS,
    larger_is_better: bool = True,
) -> PermutationTest:
    """Test `statistic`, a function of labels (N,) that repeats all that depends on them, against shuffled labels."""
    shuffled = (shuffled_labels(labels, rng, groups) for _ in range(permutations))
    values = np.array([statistic(labels), *map(statistic, shuffled)])
    return PermutationTest(float(values[0]), values[1:], p_value(values, larger_is_better=larger_is_better))
