"""Probes through the measuring loop: what is asked of the network, and where it stops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from detector.base.budget import Budget
from detector.measurement.measure import Measurer
from detector.measurement.probes import measure_probes, probed_images
from detector.probing.banks import bank
from detector.probing.probe import Probe
from detector.pruning.variant import RowPatch
from detector.rounds.preprocessing import PROFILES

PIXELS = np.random.default_rng(0).integers(20, 200, (5, 3, 48, 48), dtype=np.uint8)
PROBES = bank("standard", 9)
PROFILE = PROFILES["small"]


@dataclass
class HandClock:
    """Moves only when told to."""

    seconds: float = 0.0

    def now(self) -> float:
        return self.seconds


@dataclass
class SummingEngine:
    """Answers with each channel's sum; every image takes a tenth of a second; the passes in `slow` take 100 more."""

    clock: HandClock
    slow: tuple[int, ...] = ()
    asked: list[np.ndarray] = field(default_factory=list)

    def logits(self, images: np.ndarray, patches: Sequence[RowPatch] = ()) -> np.ndarray:
        assert not patches
        self.clock.seconds += 0.1 * len(images) + 100 * (len(self.asked) in self.slow)
        self.asked.append(images)
        return np.asarray(images.sum(axis=(2, 3)))


def made(seconds: float, workers: int = 1, slow: tuple[int, ...] = ()) -> tuple[SummingEngine, Measurer]:
    """One that knows its pace, at time 0 again; `slow` counts from there."""
    clock = HandClock()
    engine = SummingEngine(clock)
    measurer = Measurer(engine, Budget(clock, started=0.0, seconds=1e9, reserve=0.0), workers=workers)
    assert measurer.unpruned(PROFILE.scaled(PIXELS)) is not None
    engine.asked.clear()
    clock.seconds, engine.slow = 0.0, slow
    measurer._budget = Budget(clock, started=0.0, seconds=seconds, reserve=0.0)
    return engine, measurer


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("profile", ["small", "bgr_minmax"])
def test_every_probe_is_one_pass_of_all_images_in_order(workers: int, profile: str) -> None:
    preprocessing = PROFILES["small"] if profile == "small" else PROFILES["round1"]
    _, measurer = made(1e9, workers)
    measured = measure_probes(measurer, PIXELS, preprocessing, PROBES, num_classes=3)
    assert measured.probes == PROBES
    expected = [probed_images(probe, PIXELS, preprocessing).sum(axis=(2, 3)) for probe in PROBES]
    np.testing.assert_array_equal(measured.logits, expected)


def test_it_stops_before_the_deadline_and_tells_how_far_it_came() -> None:
    """A pass takes half a second and is begun where 1.5 times as much is left: at 0, 0.5, 1.0 and 1.5 of 2.3 s."""
    engine, measurer = made(2.3)
    measured = measure_probes(measurer, PIXELS, PROFILE, PROBES, num_classes=3)
    assert measured.probes == PROBES[:4]
    assert measured.logits.shape == (4, 5, 3)
    assert len(engine.asked) == 4
    assert engine.clock.seconds <= 2.3


def test_what_has_ended_is_kept_when_a_pass_hangs() -> None:
    _, measurer = made(20.0, slow=(3,))
    measured = measure_probes(measurer, PIXELS, PROFILE, PROBES, num_classes=3)
    assert 3 <= len(measured.probes) <= 4
    np.testing.assert_array_equal(measured.logits[2], probed_images(PROBES[2], PIXELS, PROFILE).sum(axis=(2, 3)))


def test_without_time_there_are_no_logits_of_the_right_shape() -> None:
    engine, measurer = made(0.1)
    measured = measure_probes(measurer, PIXELS, PROFILE, PROBES, num_classes=3)
    assert measured.probes == ()
    assert measured.logits.shape == (0, 5, 3)
    assert measured.logits.dtype == np.float32
    assert not engine.asked


@pytest.mark.parametrize("name", ["small", "round1", "rgb_minmax"])
def test_probes_change_pixels_before_order_and_scaling(name: str) -> None:
    """Red light: the last channel of BGR; a range of its own for every image under min-max."""
    profile = PROFILES[name]
    inputs = probed_images(Probe.make("gain", red=2.0, green=0.0, blue=0.0), PIXELS, profile)
    red = 2 if name == "round1" else 0
    doubled = np.minimum(2.0 * PIXELS[:, 0], 255)
    highest = doubled.max(axis=(1, 2), keepdims=True) if name != "small" else 255.0
    np.testing.assert_allclose(inputs[:, red], doubled / highest, atol=1e-6)
    assert not np.delete(inputs, red, axis=1).any()
