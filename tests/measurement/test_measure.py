"""The measuring loop with an engine and a clock made by hand: what is measured, and when it stops."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from detector.base.budget import Budget
from detector.base.clock import SystemClock
from detector.measurement.measure import SAFETY, Measurer
from detector.pruning.variant import RowPatch, Variant

IMAGES = np.arange(12 * 3 * 2 * 2, dtype=np.float32).reshape(12, 3, 2, 2)
VARIANTS = [Variant(s, (RowPatch("w", np.array([s])),)) for s in range(5)]


@dataclass
class HandClock:
    """Moves only when told to."""

    seconds: float = 0.0

    def now(self) -> float:
        return self.seconds


@dataclass
class FakeEngine:
    """Answers with the sum of each image and the pruned row; every image takes `image_seconds` on the clock.

    The passes named in `hiccups` take so many seconds more.
    """

    clock: HandClock
    image_seconds: float = 0.1
    batches: list[int] = field(default_factory=list)
    hiccups: dict[int, float] = field(default_factory=dict)

    def logits(self, images: np.ndarray, patches: Sequence[RowPatch] = ()) -> np.ndarray:
        self.batches.append(len(images))
        self.clock.seconds += self.image_seconds * len(images) + self.hiccups.get(len(self.batches) - 1, 0.0)
        row = patches[0].rows[0] if patches else -1
        return np.stack([images.sum((1, 2, 3)), np.full(len(images), row)], axis=1).astype(np.float32)


def paced(seconds: float = 1e9, image_seconds: float = 0.1) -> tuple[FakeEngine, Measurer]:
    """One that knows its pace from a single image, at time 0 again."""
    engine, measurer = made(1e9, image_seconds)
    assert measurer.unpruned(IMAGES[:1]) is not None
    engine.batches.clear()
    clock = engine.clock
    clock.seconds = 0.0
    measurer._budget = Budget(clock, started=0.0, seconds=seconds, reserve=0.0)
    return engine, measurer


def made(seconds: float = 1e9, image_seconds: float = 0.1, workers: int = 1) -> tuple[FakeEngine, Measurer]:
    clock = HandClock()
    engine = FakeEngine(clock, image_seconds)
    return engine, Measurer(engine, Budget(clock, started=0.0, seconds=seconds, reserve=0.0), workers=workers)


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize(
    ("count", "batches"),
    [
        (1, [1]),
        (2, [1, 1]),
        (7, [1, 1, 5]),
        (8, [1, 1, 3, 3]),
        (12, [1, 1, 5, 5]),
        (17, [1, 1, 7, 8]),
        (18, [1, 1, 4, 4, 4, 4]),
    ],
)
def test_unpruned_answers_in_order_by_parts_that_workers_do_not_change(
    count: int, batches: list[int], workers: int
) -> None:
    """Two images one by one; the others in one, two or four parts, as even as can be."""
    engine, measurer = made(workers=workers)
    many = np.concatenate([IMAGES, IMAGES + 1000])[:count]
    unpruned = measurer.unpruned(many)
    assert unpruned is not None
    np.testing.assert_array_equal(unpruned[:, 0], many.sum((1, 2, 3)))
    assert engine.batches[:2] == batches[:2]
    assert sorted(engine.batches[2:]) == sorted(batches[2:])


def test_time_of_an_image_is_that_of_most_passes() -> None:
    """A hiccup of 100 s in one of the parts of 5 and 5 images does not count."""
    engine, measurer = made(image_seconds=0.25)
    engine.hiccups = {3: 100.0}
    assert measurer.unpruned(IMAGES) is not None
    assert engine.clock.seconds > 100
    assert measurer.image_seconds == pytest.approx(0.25)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_may_come_too_late_is_not_begun(workers: int) -> None:
    """The unpruned network alone, 12 images at 0.2 s each; two of them take 0.4 s before that is known."""
    needed = SAFETY * 12 * 0.2
    engine, measurer = made(0.4 + needed - 0.01, image_seconds=0.2, workers=workers)
    assert measurer.unpruned(IMAGES, 3) is None
    assert engine.batches == [1, 1]
    engine, measurer = made(0.4 + needed + 0.01, image_seconds=0.2, workers=workers)
    assert measurer.unpruned(IMAGES, 3) is not None


def test_where_the_pace_is_known_not_even_an_image_is_begun() -> None:
    engine, measurer = paced(SAFETY * 4 * 12 * 0.1 - 0.01)
    assert measurer.unpruned(IMAGES, 3) is None
    assert engine.batches == []
    assert measurer.unpruned(IMAGES, 2) is not None


def test_what_is_done_only_once_is_not_taken_for_the_pace() -> None:
    """Packing takes 3 s of the first pass; 12 images at 0.1 s each need 1.56 s with SAFETY."""
    engine, measurer = made(3.0 + 0.2 + 1.57)
    engine.hiccups = {0: 3.0}
    assert measurer.unpruned(IMAGES) is not None
    assert measurer.image_seconds == pytest.approx(0.1)


@pytest.mark.parametrize("workers", [1, 2, 4, 9])
def test_all_variants_are_measured_in_order(workers: int) -> None:
    _, measurer = made(workers=workers)
    logits = measurer.variants(VARIANTS, 5, IMAGES)
    assert logits is not None
    assert logits.shape == (5, 12, 2)
    for s in range(5):
        np.testing.assert_array_equal(logits[s, :, 0], IMAGES.sum((1, 2, 3)))
        np.testing.assert_array_equal(logits[s, :, 1], [s] * 12)


def test_the_last_variant_is_shared_by_the_workers() -> None:
    engine, measurer = made()
    measurer.variants(VARIANTS, 5, IMAGES)
    assert engine.batches == [12, 12, 12, 12, 6, 6]


@pytest.mark.parametrize("variants", [4, 5])
def test_two_workers_share_any_number_of_variants_evenly(variants: int) -> None:
    """Passes in their order, each to the worker that has done less: both compute half of all images."""
    engine, measurer = made()
    assert measurer.variants(VARIANTS[:variants], variants, IMAGES) is not None
    busy = [0, 0]
    for images in engine.batches:
        busy[busy.index(min(busy))] += images
    assert busy == [6 * variants] * 2


@pytest.mark.parametrize(("seconds", "passes"), [(5.9, 0), (6.7, 6)])
def test_nothing_is_begun_that_will_not_be_complete_in_time(seconds: float, passes: int) -> None:
    """Five variants of 12 images at 0.1 s each take 6 s; halves of the last one start where 0.9 s are left."""
    engine, measurer = paced(seconds)
    assert (measurer.variants(VARIANTS, 5, IMAGES) is not None) == (passes == 6)
    assert len(engine.batches) == passes
    assert engine.clock.seconds <= seconds


@pytest.mark.parametrize(("seconds", "passes"), [(0.7, 0), (1.22, 1), (2.9, 2), (3.1, 3), (5.5, 5)])
def test_no_pass_is_started_that_may_not_end_in_time(seconds: float, passes: int) -> None:
    """More variants come than were foreseen: passes take 0.6, 0.6 and then 1.2 s, and start where 1.5 times fits."""
    engine, measurer = paced(seconds)
    assert measurer.variants(VARIANTS, 1, IMAGES) is None
    assert len(engine.batches) == passes
    assert engine.clock.seconds <= seconds


def test_a_slowdown_is_noticed_while_a_cheaper_measurement_still_fits() -> None:
    """Four images a variant at 0.1 s; after four of 30 variants the machine becomes ten times slower for good."""
    engine, measurer = paced(60.0)
    engine.hiccups = dict.fromkeys(range(4, 30), 3.6)
    many = [replace(VARIANTS[0], index=s) for s in range(30)]
    assert measurer.variants(many, 30, IMAGES[:4]) is None
    # once five of the last nine passes were slow ones, 21 more at that pace are seen not to fit: 1.6 + 5 * 4 s
    assert engine.clock.seconds == pytest.approx(21.6)


def test_a_hiccup_is_passed_over() -> None:
    engine, measurer = paced(20.0)
    engine.hiccups = {3: 5.0}
    assert measurer.variants(VARIANTS, 5, IMAGES) is not None
    assert engine.clock.seconds == pytest.approx(11.0)


def test_prediction_counts_rounds_of_workers() -> None:
    for workers, rounds in ((1, 15), (2, 8)):
        _, measurer = made(workers=workers)
        assert measurer.predicted_seconds(15, 10) == 0.0  # nothing is known yet
        measurer.unpruned(IMAGES)
        assert measurer.predicted_seconds(15, 10) == pytest.approx(SAFETY * rounds)


def test_workers_measure_at_the_same_time() -> None:
    barrier = threading.Barrier(2, timeout=20)

    class Meeting:
        def logits(self, images: np.ndarray, patches: Sequence[RowPatch] = ()) -> np.ndarray:
            barrier.wait()  # passes only if two calls are under way together
            return np.zeros((len(images), 2), dtype=np.float32)

    measurer = Measurer(Meeting(), Budget(HandClock(), 0.0, 1e9), workers=2)
    assert measurer.variants(VARIANTS[:4], 4, IMAGES[:5]) is not None


def test_variants_are_taken_only_when_a_worker_is_free() -> None:
    engine, measurer = made()
    taken: list[int] = []

    def stream() -> Iterator[Any]:
        for variant in VARIANTS:
            taken.append(len(engine.batches))
            yield variant

    measurer.variants(stream(), 5, IMAGES)
    assert taken == [0, 1, 2, 3, 4]


def test_an_engines_failure_reaches_the_caller() -> None:
    class Broken:
        def logits(self, images: np.ndarray, patches: Sequence[RowPatch] = ()) -> np.ndarray:
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        Measurer(Broken(), Budget(HandClock(), 0.0, 1e9), workers=2).variants(VARIANTS, 5, IMAGES)


def test_what_does_not_end_in_time_is_not_waited_for() -> None:
    released = threading.Event()

    class Stuck:
        def logits(self, images: np.ndarray, patches: Sequence[RowPatch] = ()) -> np.ndarray:
            released.wait(20)
            return np.zeros((len(images), 2), dtype=np.float32)

    clock = SystemClock()
    began = clock.now()
    try:
        assert Measurer(Stuck(), Budget(clock, began, 0.2, 0.0), workers=2).unpruned(IMAGES) is None
        assert Measurer(Stuck(), Budget(clock, began, 0.4, 0.0), workers=2).variants(VARIANTS, 5, IMAGES) is None
        assert clock.now() - began < 10
    finally:
        released.set()
