"""Measures the variants of one network within a budget: logits, the raw reading from which every signal is derived.

Knows nothing of files, probabilities or learned parameters. Variants spread over worker threads, each of which computes
alone; so the logits do not depend on how many there are. A measurement goes on as long as all of it is expected to end
in time, judged by the median of the latest forward passes, for a single hiccup of the machine says nothing about the
rest; and a forward pass is only started where it would end in time even if it were as slow as the slowest of them but
one.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from statistics import median
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detector.clock import Budget
from detector.pruning.variant import RowPatch, Variant

Images = NDArray[np.float32]
Logits = NDArray[np.float32]

# Times vary on a shared machine: work is only started where this multiple of the expected time fits.
SAFETY = 1.5

# Forward passes by whose median the rest is foreseen: enough to pass over hiccups, few enough to notice a slowdown.
_LATEST = 9

# The unpruned network and the first variant answer in chunks, so that workers share them: with two, 15 variants take as
# long as 7.5. Small chunks take longer an image than large ones, so many images are cut into quarters. It is so
# whatever the number of workers: the size of a batch may change the last bits of an answer, the number of workers must
# not.
_SMALLEST_CHUNK = 5
_CHUNKS = 4


class Engine(Protocol):
    """Anything that answers for a patched network, from several threads at once."""

    def logits(self, images: Images, patches: Sequence[RowPatch] = ()) -> Logits:
        """Logits (N, classes) for images (N, 3, height, width)."""


@dataclass(frozen=True)
class _Work:
    """A forward pass to do: some images, the first of them being number `start`, through variant `index`."""

    index: int
    start: int
    images: Images
    patches: Sequence[RowPatch]


@dataclass(frozen=True)
class _Pass:
    """One forward pass that has ended."""

    work: _Work
    logits: Logits
    image_seconds: float


class Measurer:
    """Forward passes of one engine, spread over workers. It knows its pace from all that it has measured before.

    Parameters
    ----------
    workers
        Threads that measure at the same time, at least 1.
    """

    def __init__(self, engine: Engine, budget: Budget, *, workers: int) -> None:
        self._engine = engine
        self._budget = budget
        self._workers = workers
        self._latest: deque[float] = deque(maxlen=_LATEST)  # seconds that a worker took for one image

    @property
    def image_seconds(self) -> float:
        """What a worker takes for one image, as a rule; 0 before anything is measured."""
        return median(self._latest or [0.0])

    def unpruned(self, images: Images) -> Logits | None:
        """Logits (N, classes) of the unpruned network for images (N, 3, height, width), N >= 1.

        None where they are not expected within the budget, judged by the second of two passes over a single image: the
        first one pays for what is done only once. Neither is counted afterwards.
        """
        _, warm = (self._timed(_Work(0, 0, images[:1], ())) for _ in range(2))
        chunks = list(_chunks(0, images, (), _chunk_size(len(images))))
        self._latest.append(warm.image_seconds)
        if not self._budget.allows(self.predicted_seconds(len(chunks), len(chunks[0].images))):
            return None
        self._latest.clear()
        answers: Logits = _stacked(list(self._passes(chunks)))[0]
        return answers

    def predicted_seconds(self, num_passes: int, num_images: int) -> float:
        """Expected time for so many passes over so many images each, with the safety factor."""
        return SAFETY * self._seconds(num_passes, num_images)

    def variants(self, variants: Iterable[Variant], num_variants: int, images: Images) -> Logits | None:
        """Logits (variants, N, classes), or None as soon as they are not expected to be complete within the budget."""
        stopped = False

        def work() -> Iterator[_Work]:
            nonlocal stopped
            for number, variant in enumerate(variants):
                size = len(images) if number else _chunk_size(len(images))
                rest = self._seconds(num_variants - number, len(images))
                for one in _chunks(number, images, variant.patches, size):
                    alone = SAFETY * self._slow() * len(one.images)
                    if not self._budget.allows(alone if one.start else max(alone, rest)):
                        stopped = True
                        return
                    yield one

        passes = list(self._passes(work()))
        return None if stopped else _stacked(passes)

    def _slow(self) -> float:
        """Of the latest passes the slowest but one; of two or fewer the slowest."""
        ordered = sorted(self._latest)
        return ordered[-2] if len(ordered) > 2 else max(ordered, default=0.0)

    def _seconds(self, num_passes: int, num_images: int) -> float:
        rounds = -(-num_passes // self._workers)
        return self.image_seconds * rounds * num_images

    def _passes(self, work: Iterable[_Work]) -> Iterator[_Pass]:
        """Do the work, at most one pass a worker at a time; it is taken from `work` only when it can start."""
        running: set[Future[_Pass]] = set()
        with ThreadPoolExecutor(self._workers) as pool:
            for one in work:
                running.add(pool.submit(self._timed, one))
                if len(running) == self._workers:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from map(self._counted, done)
            yield from map(self._counted, running)

    def _counted(self, ended: Future[_Pass]) -> _Pass:
        self._latest.append(ended.result().image_seconds)
        return ended.result()

    def _timed(self, work: _Work) -> _Pass:
        began = self._budget.clock.now()
        logits = self._engine.logits(work.images, work.patches)
        return _Pass(work, logits, (self._budget.clock.now() - began) / len(work.images))


def _chunk_size(num_images: int) -> int:
    return max(_SMALLEST_CHUNK, -(-num_images // _CHUNKS))


def _chunks(index: int, images: Images, patches: Sequence[RowPatch], size: int) -> Iterator[_Work]:
    for start in range(0, len(images), size):
        yield _Work(index, start, images[start : start + size], patches)


def _stacked(passes: Iterable[_Pass]) -> Logits:
    """Logits (variants, N, classes) in order, however they came."""
    rows: dict[int, list[Logits]] = defaultdict(list)
    for one in sorted(passes, key=lambda one: (one.work.index, one.work.start)):
        rows[one.work.index].append(one.logits)
    return np.stack([np.concatenate(chunks) for chunks in rows.values()])
