"""The design of an evaluation: which models are held out together, and which labels a permutation test gives them.

Clean and poisoned models of an architecture are paired at random, once. Folds hold whole pairs and a permutation swaps
the labels inside pairs, so every fold is as balanced under permuted labels as under the true ones, and one set of folds
serves them all. If labels mean nothing, the members of a pair are exchangeable, which is all that the test needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]

FOLDS = 5
REPEATS = 3  # of the cross-validation, each with folds of its own
PERMUTATIONS = 200  # the smallest p-value is then 0.005


@dataclass(frozen=True)
class Design:
    """For N models: who belongs together, and P sets of labels.

    Attributes
    ----------
    architecture
        The number of each model's architecture, (N,).
    labels
        (N, P), 1 = poisoned; the first column holds the true ones.
    folds
        (repeats, N), the number of the fold that a model is held out with.
    """

    architecture: Indices
    labels: Indices
    folds: Indices

    def of(self, architecture: int) -> Design:
        """The part of one architecture, whose number becomes 0."""
        rows = self.architecture == architecture
        return Design(np.zeros(int(rows.sum()), dtype=np.int64), self.labels[rows], self.folds[:, rows])

    def with_true_labels_only(self) -> Design:
        """Without the permutations."""
        return Design(self.architecture, self.labels[:, :1], self.folds)


def make_design(
    labels: Sequence[Indices],
    seed: int,
    *,
    folds: int = FOLDS,
    repeats: int = REPEATS,
    permutations: int = PERMUTATIONS,
) -> Design:
    """The design for the models of each architecture, whose true labels are given.

    Raises
    ------
    ValueError
        An architecture has fewer pairs than there are folds.
    """
    parts = [
        _of_one(one, np.random.default_rng((seed, number)), folds, repeats, permutations)
        for number, one in enumerate(labels)
    ]
    return Design(
        np.repeat(np.arange(len(labels)), list(map(len, labels))),
        np.concatenate([part[0] for part in parts]),
        np.concatenate([part[1] for part in parts], axis=1),
    )


def _of_one(
    labels: Indices, rng: np.random.Generator, folds: int, repeats: int, permutations: int
) -> tuple[Indices, Indices]:
    clean, poisoned = rng.permutation(np.flatnonzero(labels == 0)), rng.permutation(np.flatnonzero(labels == 1))
    count = min(len(clean), len(poisoned))
    if count < folds:
        raise ValueError(f"expected at least {folds} clean and {folds} poisoned models, got {count} of one class")
    pairs = np.column_stack([clean[:count], poisoned[:count]])
    single = np.concatenate([clean[count:], poisoned[count:]])
    relabelled = np.column_stack([labels, *(_swapped(labels, pairs, rng) for _ in range(permutations))])
    return relabelled, np.array([_folds(pairs, single, folds, rng) for _ in range(repeats)])


def _swapped(labels: Indices, pairs: Indices, rng: np.random.Generator) -> Indices:
    """Labels after the members of half of the pairs, on average, have exchanged theirs."""
    swapped = labels.copy()
    chosen = pairs[rng.random(len(pairs)) < 0.5]
    swapped[chosen] = labels[chosen[:, ::-1]]
    return swapped


def _folds(pairs: Indices, single: Indices, folds: int, rng: np.random.Generator) -> Indices:
    """Pairs dealt out to the folds, then the models without a partner."""
    numbers = np.empty(pairs.size + len(single), dtype=np.int64)
    numbers[rng.permutation(pairs)] = (np.arange(len(pairs)) % folds)[:, None]
    numbers[rng.permutation(single)] = (len(pairs) + np.arange(len(single))) % folds
    return numbers
