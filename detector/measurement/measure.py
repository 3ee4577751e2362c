"""Measures the variants of one network within a budget: logits, the raw reading from which every signal is derived.

Knows nothing of files, probabilities or learned parameters. Variants spread over worker threads, each of which computes
alone; so the logits do not depend on how many there are. A forward pass is only started where it is expected to end
in time, judged by the slowest one so far.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detector.clock import Budget
from detector.pruning.variant import RowPatch, Variant

Images = NDArray[np.float32]
Logits = NDArray[np.float32]

# Passes vary on a shared machine: one is only started where this multiple of the slowest one so far fits.
SAFETY = 1.5

# The unpruned network answers in chunks of this many images, whatever the number of workers: the size of a batch
# may change the last bits of an answer, the number of workers must not.
_CHUNK = 5


class Engine(Protocol):
    """Anything that answers for a patched network, from several threads at once."""

    def logits(self, images: Images, patches: Sequence[RowPatch] = ()) -> Logits:
        """Logits (N, classes) for images (N, 3, height, width)."""


@dataclass(frozen=True)
class Unpruned:
    """The network as it is: logits (N, classes) and the seconds that a worker takes for one image."""

    logits: Logits
    image_seconds: float


@dataclass(frozen=True)
class _Pass:
    """One forward pass that has ended."""

    index: int
    logits: Logits
    seconds: float


class Measurer:
    """Forward passes of one engine, spread over workers.

    Parameters
    ----------
    workers
        Threads that measure at the same time, at least 1.
    """

    def __init__(self, engine: Engine, budget: Budget, *, workers: int) -> None:
        self._engine = engine
        self._budget = budget
        self._workers = workers

    def unpruned(self, images: Images) -> Unpruned | None:
        """Answers of the unpruned network to images (N, 3, height, width), N >= 1, and how long they take.

        None where they are not expected to end within the budget, judged by a first pass over a single image; that one
        pays for what is done only once, and is not counted.
        """
        first = self._timed(0, images[:1], ())
        chunks = [images[start : start + _CHUNK] for start in range(0, len(images), _CHUNK)]
        if not self._budget.allows(self.predicted_seconds(first.seconds, len(chunks), len(chunks[0]))):
            return None
        passes = list(self._passes((index, chunk, ()) for index, chunk in enumerate(chunks)))
        logits = np.concatenate([one.logits for one in sorted(passes, key=lambda one: one.index)])
        return Unpruned(logits, max(one.seconds / len(one.logits) for one in passes))

    def predicted_seconds(self, image_seconds: float, num_passes: int, num_images: int) -> float:
        """Expected time for so many passes over so many images each, with the safety factor."""
        rounds = -(-num_passes // self._workers)
        return SAFETY * image_seconds * rounds * num_images

    def variants(self, variants: Iterable[Variant], images: Images, image_seconds: float) -> Logits | None:
        """Logits (|S|, N, classes), or None as soon as the next variant is not expected to end within the budget."""
        slowest = image_seconds * len(images)
        stopped = False

        def work() -> Iterator[tuple[int, Images, Sequence[RowPatch]]]:
            nonlocal stopped
            for variant in variants:
                if not self._budget.allows(SAFETY * slowest):
                    stopped = True
                    return
                yield variant.index, images, variant.patches

        answers: dict[int, Logits] = {}
        for one in self._passes(work()):
            slowest = max(slowest, one.seconds)
            answers[one.index] = one.logits
        return None if stopped else np.stack([answers[index] for index in sorted(answers)])

    def _passes(self, work: Iterable[tuple[int, Images, Sequence[RowPatch]]]) -> Iterator[_Pass]:
        """Run the work, at most one piece a worker at a time; pieces are taken from `work` only when one can start."""
        running: set[Future[_Pass]] = set()
        with ThreadPoolExecutor(self._workers) as pool:
            for piece in work:
                running.add(pool.submit(self._timed, *piece))
                if len(running) == self._workers:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            yield from (future.result() for future in running)

    def _timed(self, index: int, images: Images, patches: Sequence[RowPatch]) -> _Pass:
        began = self._budget.clock.now()
        logits = self._engine.logits(images, patches)
        return _Pass(index, logits, self._budget.clock.now() - began)
