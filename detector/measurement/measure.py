"""Measures the variants of one network within a budget: logits, the raw reading from which every signal is derived.

Knows nothing of files, probabilities or learned parameters. It never starts a forward pass that it does not expect
to finish in time, judged by the slowest pass so far.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detector.clock import Budget
from detector.pruning.variant import RowPatch, Variant

Logits = NDArray[np.float32]

# Measured passes vary on a shared machine; a pass is only started where this multiple of the slowest one fits.
SAFETY = 1.5


class Engine(Protocol):
    """Anything that answers for a patched network."""

    def logits(self, images: NDArray[np.float32], patches: tuple[RowPatch, ...] = ()) -> Logits:
        """Logits (N, classes) for images (N, 3, height, width)."""


@dataclass(frozen=True)
class Measurement:
    """What the variants answered.

    `unpruned` is (N, classes), `pruned` (|S|, N, classes); `image_seconds` the unpruned network's time for one image.
    """

    unpruned: Logits
    pruned: Logits
    image_seconds: float


@dataclass(frozen=True)
class Unpruned:
    """The network as it is: logits (N, classes) and the time in seconds that one image takes."""

    logits: Logits
    image_seconds: float


def measure_unpruned(engine: Engine, images: NDArray[np.float32], budget: Budget) -> Unpruned:
    """Answers of the unpruned network. The first image goes alone: it pays for warming up, and is not timed."""
    first = engine.logits(images[:1])
    began = budget.clock.now()
    rest = engine.logits(images[1:] if len(images) > 1 else images)
    seconds = (budget.clock.now() - began) / len(rest)
    logits = np.concatenate([first, rest]) if len(images) > 1 else first
    return Unpruned(logits, seconds)


def predicted_seconds(image_seconds: float, num_pruned_models: int, num_images: int) -> float:
    """Expected time for all variants on all images, with the safety factor."""
    return SAFETY * image_seconds * num_pruned_models * num_images


def measure_variants(
    engine: Engine, variants: Iterable[Variant], images: NDArray[np.float32], image_seconds: float, budget: Budget
) -> Logits | None:
    """Logits (|S|, N, classes) of all variants, or None as soon as the next one is not expected to fit the budget."""
    slowest = image_seconds * len(images)
    measured: list[Logits] = []
    for variant in variants:
        if not budget.allows(SAFETY * slowest):
            return None
        began = budget.clock.now()
        measured.append(engine.logits(images, variant.patches))
        slowest = max(slowest, budget.clock.now() - began)
    return np.stack(measured)
