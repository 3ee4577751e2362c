"""Measures the variants of one network within a budget: logits, the raw reading from which every signal is derived.

Knows nothing of files, probabilities or learned parameters. Variants spread over worker threads, each of which computes
alone; so the logits do not depend on how many there are. A measurement goes on as long as all of it is expected to end
in time, judged by the median of the latest forward passes, for a single hiccup of the machine says nothing about the
rest; a forward pass is only started where it would end in time even if it were as slow as the slowest of them but one;
and nothing that is under way is waited for any longer than the budget lasts.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import chain, count, pairwise, takewhile
from statistics import median
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detector.base.budget import Budget
from detector.pruning.variant import RowPatch, Variant

Images = NDArray[np.float32]
Logits = NDArray[np.float32]

# Times vary on a shared machine: a measurement is only begun where this multiple of the expected time fits.
SAFETY = 1.3

# A forward pass of a measurement under way is only started where this multiple of a slow one fits.
_SAFETY_OF_A_PASS = 1.5

# Forward passes by whose median the rest is foreseen: enough to pass over hiccups, few enough to notice a slowdown.
_LATEST = 9

# The unpruned network answers for so many images one by one, before the others: the first one pays for what is done
# only once, the second one tells the pace.
_SINGLES = 2

# For the other images it answers in parts, as the last variant does for all of them, so that workers share them: with
# two, 15 variants take as long as 7.5. Small parts take longer an image, so how many there are depends on the number of
# images; not on the number of workers, for the size of a batch may change the last bits of an answer, and they must
# not.
_FEWEST_FOR_HALVES = 6
_FEWEST_FOR_QUARTERS = 16


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


class _LateError(Exception):
    """The budget ended before a forward pass did."""


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

    def unpruned(self, images: Images, num_variants: int = 0) -> Logits | None:
        """Logits (N, classes) of the unpruned network for images (N, 3, height, width), N >= 1.

        None where they are not expected within the budget, judged by the first images; where the pace is known already,
        by them and so many variants afterwards.
        """
        singles = [_Work(0, start, images[start : start + 1], ()) for start in range(min(_SINGLES, len(images)))]
        known = bool(self._latest)
        if known and not self.fits(num_variants + 1, len(images)):
            return None
        begun = self._begun(singles)
        if begun is None or not (known or self.fits(1, len(images))):
            return None
        rest = self._passes(_parts(0, images, len(singles)))
        answers: Logits | None = None if rest is None else _stacked([*begun, *rest])[0]
        return answers

    def predicted_seconds(self, num_passes: int, num_images: int) -> float:
        """Expected time for so many passes over so many images each, with the safety factor; 0 before any pass."""
        return SAFETY * self._seconds(num_passes, num_images)

    def fits(self, num_passes: int, num_images: int) -> bool:
        """Whether so many passes are expected within the budget."""
        return self._budget.allows(self.predicted_seconds(num_passes, num_images))

    def variants(
        self, variants: Iterable[Variant], num_passes: int, images: Images, probed: Iterable[Images] = ()
    ) -> Logits | None:
        """Logits (passes, N, classes), or None as soon as they are not expected to be complete within the budget.

        Parameters
        ----------
        variants
            They are shown the images.
        num_passes
            How many variants and probed images there are together, at least one.
        probed
            What became of the images (N, 3, height, width) under probes: shown to the unpruned network, afterwards.
        """
        stopped = False
        shown = chain(((images, variant.patches) for variant in variants), ((changed, ()) for changed in probed))

        def work() -> Iterator[_Work]:
            nonlocal stopped
            for number, (inputs, patches) in enumerate(shown):
                last = number == num_passes - 1
                rest = self._seconds(num_passes - number, len(inputs))
                whole = [_Work(number, 0, inputs, patches)]
                for one in _parts(number, inputs, 0, patches) if last else whole:
                    alone = _SAFETY_OF_A_PASS * self._slow() * len(one.images)
                    if not self._budget.allows(alone if one.start else max(alone, rest)):
                        stopped = True
                        return
                    yield one

        passes = self._passes(work())
        return None if stopped or passes is None else _stacked(passes)

    def several(self, inputs: Iterable[Images]) -> list[Logits]:
        """Logits (N, classes) of the unpruned network for each of the inputs (N, 3, height, width), from the first on.

        It stops where the next pass is not expected to end within the budget; `unpruned`, asked before, tells the pace.
        """
        ended: list[_Pass] = []

        def work() -> Iterator[_Work]:
            for number, images in enumerate(inputs):
                if not self._budget.allows(_SAFETY_OF_A_PASS * self._slow() * len(images)):
                    return
                yield _Work(number, 0, images, ())

        self._passes(work(), ended)
        answers = {one.work.index: one.logits for one in ended}
        return [answers[number] for number in takewhile(answers.__contains__, count())]

    def _begun(self, singles: Sequence[_Work]) -> list[_Pass] | None:
        """Images one by one. Of the very first passes the first one is not taken for the pace."""
        passes: list[_Pass] = []
        for one in singles:
            known = bool(self._latest)
            ended = self._passes([one]) if self._budget.remaining() > 0 else None
            if ended is None:
                return None
            passes += ended
            if not known and len(singles) > len(passes):
                self._latest.clear()
        return passes

    def _slow(self) -> float:
        """Of the latest passes the slowest but one; of two or fewer the slowest."""
        ordered = sorted(self._latest)
        return ordered[-2] if len(ordered) > 2 else max(ordered, default=0.0)

    def _seconds(self, num_passes: int, num_images: int) -> float:
        rounds = -(-num_passes // self._workers)
        return self.image_seconds * rounds * num_images

    def _passes(self, work: Iterable[_Work], ended: list[_Pass] | None = None) -> list[_Pass] | None:
        """Do the work, at most one pass a worker at a time; it is taken from `work` only when it can start.

        None where time ran out: whatever is still being computed then is left to itself, and what has ended is in
        `ended`.
        """
        ended = [] if ended is None else ended
        running: set[Future[_Pass]] = set()
        pool = ThreadPoolExecutor(self._workers)
        try:
            for one in work:
                running.add(pool.submit(self._timed, one))
                if len(running) == self._workers:
                    ended += self._finished(running, FIRST_COMPLETED)
            ended += self._finished(running, ALL_COMPLETED)
        except _LateError:
            return None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        return ended

    def _finished(self, running: set[Future[_Pass]], until: str) -> list[_Pass]:
        """Wait for one or all, and take them out of `running`; _LateError where that takes longer than the budget."""
        done, late = wait(running, self._budget.patience(), return_when=until)
        if late and not (done and until == FIRST_COMPLETED):
            raise _LateError
        running -= done
        passes = [future.result() for future in done]
        self._latest.extend(one.image_seconds for one in passes)
        return passes

    def _timed(self, work: _Work) -> _Pass:
        began = self._budget.clock.now()
        logits = self._engine.logits(work.images, work.patches)
        return _Pass(work, logits, (self._budget.clock.now() - began) / len(work.images))


def _parts(index: int, images: Images, skipped: int, patches: Sequence[RowPatch] = ()) -> list[_Work]:
    """The images but the first ones in one, two or four parts, as even as can be."""
    count = len(images) - skipped
    number = 4 if count >= _FEWEST_FOR_QUARTERS else 2 if count >= _FEWEST_FOR_HALVES else min(count, 1)
    edges = [skipped + part * count // max(number, 1) for part in range(number + 1)]
    return [_Work(index, start, images[start:stop], patches) for start, stop in pairwise(edges)]


def _stacked(passes: Iterable[_Pass]) -> Logits:
    """Logits (variants, N, classes) in order, however they came."""
    rows: dict[int, list[Logits]] = defaultdict(list)
    for one in sorted(passes, key=lambda one: (one.work.index, one.work.start)):
        rows[one.work.index].append(one.logits)
    return np.stack([np.concatenate(chunks) for chunks in rows.values()])
