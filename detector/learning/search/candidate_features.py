"""The features of many candidates for the same models, stacked, so that they can be fitted together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detector.learning.search.candidates import Candidate, most_frequent
from detector.pruning.theta import Theta
from detector.sweep.readings import ArchitectureReadings

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class CandidateFeatures:
    """C candidates and their features for N models, those of equally many features in one array.

    Attributes
    ----------
    candidates
        In the order of `blocks`, one after the other.
    blocks
        Features, each (candidates of the block, N, d).
    group, reference
        For the two stages of the search, (C,): equal numbers share theta_error, all of the thetas but |S| and |D|; and
        whether |S| and |D| are those of the first stage.
    """

    candidates: tuple[Candidate, ...]
    blocks: tuple[Array, ...]
    group: Indices
    reference: Mask

    @classmethod
    def of(cls, readings: Sequence[ArchitectureReadings], candidates: Iterable[Candidate]) -> CandidateFeatures:
        """Of the models of one or more architectures, one after the other."""
        by_width: dict[int, list[tuple[Candidate, Array]]] = {}
        for candidate in candidates:
            features = np.concatenate([candidate.features(own) for own in readings])
            by_width.setdefault(features.shape[1], []).append((candidate, features))
        blocks = [block for _, block in sorted(by_width.items())]
        ordered = tuple(candidate for block in blocks for candidate, _ in block)
        group, reference = _stages(ordered)
        return cls(ordered, tuple(np.array([features for _, features in block]) for block in blocks), group, reference)


def _stages(candidates: Sequence[Candidate]) -> tuple[Indices, Mask]:
    """The first stage is at the |S| and |D| that most candidates have; where theta_error has others only, at its least.

    The classifier's weights alone are a theta_error of their own.
    """
    errors = [
        (tuple(replace(theta, num_pruned_models=1, num_images=1) for theta in candidate.thetas), candidate.pruned)
        for candidate in candidates
    ]
    numbers = {error: number for number, error in enumerate(dict.fromkeys(errors))}
    sizes = [(candidate.thetas[0].num_pruned_models, candidate.thetas[0].num_images) for candidate in candidates]
    usual = most_frequent(sizes)
    references: dict[tuple[tuple[Theta, ...], bool], tuple[int, int]] = {}
    for error, size in zip(errors, sizes, strict=True):
        best = references.setdefault(error, size)
        references[error] = min(best, size, key=lambda each: (each != usual, each[0] * each[1], each))
    group = np.array([numbers[error] for error in errors])
    return group, np.array([references[error] == size for error, size in zip(errors, sizes, strict=True)])
