"""The measuring loop with an engine and a clock made by hand: what is measured, and when it stops."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from detector.clock import Budget
from detector.measurement.measure import SAFETY, measure_unpruned, measure_variants, predicted_seconds
from detector.pruning.variant import RowPatch, Variant

IMAGES = np.arange(4 * 3 * 2 * 2, dtype=np.float32).reshape(4, 3, 2, 2)
VARIANTS = [Variant(s, (RowPatch("w", np.array([s])),)) for s in range(5)]


@dataclass
class HandClock:
    """Moves only when told to."""

    seconds: float = 0.0

    def now(self) -> float:
        return self.seconds


@dataclass
class FakeEngine:
    """Answers with the sum of each image and the pruned row; every image takes `image_seconds` on the clock."""

    clock: HandClock
    image_seconds: float = 0.1
    batches: list[int] = field(default_factory=list)

    def logits(self, images: np.ndarray, patches: tuple[RowPatch, ...] = ()) -> np.ndarray:
        self.batches.append(len(images))
        self.clock.seconds += self.image_seconds * len(images)
        row = patches[0].rows[0] if patches else -1
        return np.stack([images.sum((1, 2, 3)), np.full(len(images), row)], axis=1).astype(np.float32)


def made(seconds: float, image_seconds: float = 0.1) -> tuple[FakeEngine, Budget]:
    clock = HandClock()
    return FakeEngine(clock, image_seconds), Budget(clock, started=0.0, seconds=seconds, reserve=0.0)


def test_unpruned_answers_in_order_and_does_not_time_the_first_image() -> None:
    engine, budget = made(60)
    engine.image_seconds = 5.0
    first = engine.logits

    def slow_start(images: np.ndarray, patches: tuple[RowPatch, ...] = ()) -> np.ndarray:
        answer = first(images, patches)
        engine.image_seconds = 0.25
        return answer

    engine.logits = slow_start  # type: ignore[method-assign]
    unpruned = measure_unpruned(engine, IMAGES, budget)
    np.testing.assert_array_equal(unpruned.logits[:, 0], IMAGES.sum((1, 2, 3)))
    assert unpruned.image_seconds == pytest.approx(0.25)
    assert engine.batches == [1, 3]


def test_a_single_image_is_timed_on_its_second_pass() -> None:
    engine, budget = made(60)
    unpruned = measure_unpruned(engine, IMAGES[:1], budget)
    assert unpruned.logits.shape == (1, 2)
    assert unpruned.image_seconds == pytest.approx(0.1)
    assert engine.batches == [1, 1]


def test_all_variants_are_measured_in_order() -> None:
    engine, budget = made(60)
    logits = measure_variants(engine, VARIANTS, IMAGES, 0.1, budget)
    assert logits is not None
    assert logits.shape == (5, 4, 2)
    np.testing.assert_array_equal(logits[:, 0, 1], [0, 1, 2, 3, 4])


@pytest.mark.parametrize(("seconds", "passes"), [(0.5, 0), (0.7, 1), (2.0, 4)])
def test_no_pass_is_started_that_may_not_finish(seconds: float, passes: int) -> None:
    engine, budget = made(seconds)  # a pass takes 0.4 s and is started where 0.6 s are left
    assert measure_variants(engine, VARIANTS, IMAGES, 0.1, budget) is None
    assert len(engine.batches) == passes
    assert engine.clock.seconds <= seconds


def test_a_slowdown_is_noticed() -> None:
    engine, budget = made(10.0)
    engine.image_seconds = 1.0  # ten times slower than the unpruned network promised
    assert measure_variants(engine, VARIANTS, IMAGES, 0.1, budget) is None
    assert engine.clock.seconds <= 10.0


def test_prediction_is_the_product_with_a_margin() -> None:
    assert predicted_seconds(0.1, 15, 10) == pytest.approx(SAFETY * 15)
