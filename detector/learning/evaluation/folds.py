"""Folds: which models are held out together. A small door: more kinds are functions that return `Folds`.

Two kinds: stratified folds, dealt anew in each repeat, and leave-one-group-out, where a group is any factor of a model
(sign family, recipe, image size, trigger kind, architecture). Whatever evaluates takes either.

Stratified folds are dealt in pairs: within each group clean and poisoned models are paired at random, once, and a fold
holds whole pairs. Labels that are swapped inside pairs (`permutation`) leave every fold as balanced as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]

FOLDS = 5
REPEATS = 3  # of the stratified folds, each dealt anew


@dataclass(frozen=True)
class Folds:
    """For N models and each repeat the number of the fold that a model is held out with, (repeats, N)."""

    numbers: Indices

    def __post_init__(self) -> None:
        if self.numbers.ndim != 2 or any(len(np.unique(row)) < 2 for row in self.numbers):
            raise ValueError("expected two folds or more in each repeat")

    def splits(self) -> Iterator[tuple[Indices, Indices]]:
        """Indices of the models to fit on and of those held out, fold by fold and repeat by repeat."""
        for row in self.numbers:
            for fold in np.unique(row):
                yield np.flatnonzero(row != fold), np.flatnonzero(row == fold)

    def part(self, rows: Mask) -> Folds:
        """The same folds for some of the models, (N,); ValueError where these are all in one fold."""
        return Folds(self.numbers[:, rows])


@dataclass(frozen=True)
class Pairs:
    """Indices of clean and poisoned models in pairs, (pairs, 2), and of the models without a partner, (M,)."""

    paired: Indices
    single: Indices


def random_pairs(labels: Indices, rng: np.random.Generator) -> Pairs:
    """Clean and poisoned models, labels (n,), paired at random; the class that is more frequent has some left over."""
    clean, poisoned = rng.permutation(np.flatnonzero(labels == 0)), rng.permutation(np.flatnonzero(labels == 1))
    count = min(len(clean), len(poisoned))
    return Pairs(np.column_stack([clean[:count], poisoned[:count]]), np.concatenate([clean[count:], poisoned[count:]]))


def dealt(pairs: Pairs, folds: int, rng: np.random.Generator) -> Indices:
    """Numbers of folds (n,): pairs dealt out at random, then the models without a partner.

    Raises
    ------
    ValueError
        There are fewer pairs than folds.
    """
    count = len(pairs.paired)
    if count < folds:
        raise ValueError(f"expected at least {folds} clean and {folds} poisoned models, got {count} of one class")
    numbers = np.empty(pairs.paired.size + len(pairs.single), dtype=np.int64)
    numbers[rng.permutation(pairs.paired)] = (np.arange(count) % folds)[:, None]
    numbers[rng.permutation(pairs.single)] = (count + np.arange(len(pairs.single))) % folds
    return numbers


def stratified_folds(
    labels: Indices, seed: int, *, groups: ArrayLike | None = None, folds: int = FOLDS, repeats: int = REPEATS
) -> Folds:
    """Folds with the same shares of clean and poisoned models, labels (N,), of each group (N,) where these are given.

    Raises
    ------
    ValueError
        A group has fewer than `folds` models of one class.
    """
    numbers = np.empty((repeats, len(labels)), dtype=np.int64)
    for number, rows in enumerate(group_rows(groups, len(labels))):
        rng = np.random.default_rng((seed, number))
        pairs = random_pairs(labels[rows], rng)
        numbers[:, rows] = [dealt(pairs, folds, rng) for _ in range(repeats)]
    return Folds(numbers)


def leave_one_group_out(groups: Sequence[object] | ArrayLike) -> Folds:
    """A fold for each of two or more groups, (N,), in their sorted order; one repeat, as nothing is random."""
    found, numbers = np.unique(np.asarray(groups), return_inverse=True)
    if len(found) < 2:
        raise ValueError(f"expected models of two groups or more, got {len(found)}")
    return Folds(numbers.astype(np.int64).reshape(1, -1))


def group_rows(groups: ArrayLike | None, count: int) -> list[Indices]:
    """The indices of the models of each group, groups in sorted order; all `count` models where there are none."""
    if groups is None:
        return [np.arange(count)]
    names = np.asarray(groups)
    return [np.flatnonzero(names == name) for name in np.unique(names)]
