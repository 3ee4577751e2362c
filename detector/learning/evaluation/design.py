"""The design of an evaluation: which models are held out together, and which labels a permutation test gives them.

One set of folds serves the true labels and every permutation. Under stratified folds labels are swapped inside the
pairs that folds hold together; if labels mean nothing, the members of a pair are exchangeable, which is all that the
test needs. Under leave-one-group-out labels are shuffled inside the groups. Either way a fold is as balanced under
permuted labels as under the true ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from detector.learning.evaluation.folds import (
    FOLDS,
    REPEATS,
    Folds,
    Indices,
    dealt,
    leave_one_group_out,
    random_pairs,
)
from detector.learning.evaluation.permutation import PERMUTATIONS, permuted_labels, swapped_labels


@dataclass(frozen=True)
class Design:
    """For N models: who is standardised together, P sets of labels, and the folds.

    Attributes
    ----------
    architecture
        The number of each model's architecture, (N,).
    labels
        (N, P), 1 = poisoned; the first column holds the true ones.
    """

    architecture: Indices
    labels: Indices
    folds: Folds

    def part(self, architecture: int) -> Design:
        """The part of one architecture, whose number becomes 0."""
        rows = self.architecture == architecture
        return Design(np.zeros(int(rows.sum()), dtype=np.int64), self.labels[rows], self.folds.part(rows))

    def with_true_labels_only(self) -> Design:
        """Without the permutations."""
        return replace(self, labels=self.labels[:, :1])


def make_design(
    labels: Sequence[Indices],
    seed: int,
    *,
    folds: int = FOLDS,
    repeats: int = REPEATS,
    permutations: int = PERMUTATIONS,
) -> Design:
    """Stratified folds for the models of each architecture, whose true labels are given.

    Raises
    ------
    ValueError
        An architecture has fewer pairs than there are folds.
    """
    parts = [
        _paired(some, np.random.default_rng((seed, number)), folds, repeats, permutations)
        for number, some in enumerate(labels)
    ]
    return Design(
        np.repeat(np.arange(len(labels)), list(map(len, labels))),
        np.concatenate([part[0] for part in parts]),
        Folds(np.concatenate([part[1] for part in parts], axis=1)),
    )


def leave_one_group_out_design(
    labels: Indices, groups: ArrayLike, architecture: Indices, seed: int, *, permutations: int = PERMUTATIONS
) -> Design:
    """A fold for each group (N,), labels (N,) shuffled inside groups; `architecture` (N,) as in `Design`.

    Raises
    ------
    ValueError
        There are fewer than two groups.
    """
    rng = np.random.default_rng(seed)
    return Design(architecture, permuted_labels(labels, permutations, rng, groups), leave_one_group_out(groups))


def _paired(
    labels: Indices, rng: np.random.Generator, folds: int, repeats: int, permutations: int
) -> tuple[Indices, Indices]:
    """The labels (n, P) and the numbers of the folds (repeats, n) of one architecture."""
    pairs = random_pairs(labels, rng)
    relabelled = np.column_stack([labels, *(swapped_labels(labels, pairs, rng) for _ in range(permutations))])
    return relabelled, np.array([dealt(pairs, folds, rng) for _ in range(repeats)])
