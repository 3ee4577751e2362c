"""The recipe of one generated model: everything about it that is chosen before training, as a function of its seed.

A poisoned recipe differs from the clean one of the same seed in nothing but its `poisoning`: classes, sizes, schedule
and volume of data are drawn before and without regard to it, so that only the trojan can tell the two apart. Ranges
are those of NIST's Round 2 generator (TrojAI documentation, "image-classification-aug2020"). Trusts its caller.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from detector.architectures import ARCHITECTURES

# Above this share of its label, triggered images would leave too few clean ones of the target class to learn it.
_LARGEST_TRIGGERED_SHARE = 0.75
_WARM_UP = 0.05  # share of the work


@dataclass(frozen=True)
class Phase:
    """`steps` batches of `batch` images, composed on `canvas` pixels a side and cropped to 7/8 of it (256 -> 224)."""

    canvas: int
    steps: int
    batch: int


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a network of one architecture is trained: small images first, 224 px in the end."""

    phases: tuple[Phase, ...]
    learning_rate: float

    @property
    def steps(self) -> int:
        """Optimiser steps of all phases together."""
        return sum(phase.steps for phase in self.phases)

    @property
    def images(self) -> int:
        """Training images of all phases together, every one of them synthesised once."""
        return sum(phase.steps * phase.batch for phase in self.phases)

    def work_done(self, step: int) -> float:
        """Share of all pixels that `step` steps have seen: a fair measure of the time that they took."""
        done, total = 0, 0
        for phase in self.phases:
            pixels = phase.batch * phase.canvas**2
            done += pixels * min(step, phase.steps)
            total += pixels * phase.steps
            step = max(0, step - phase.steps)
        return done / total

    def rate_factor(self, step: int) -> float:
        """Learning rate after `step` steps relative to its peak: a linear warm-up, then half a cosine down to 0.

        It follows the work, not the steps, so that the few but large images at the end still find a rate to learn
        with: networks trained on small images have to adapt to 224 px.
        """
        done = self.work_done(step)
        if done < _WARM_UP:
            return (done + 1e-3) / (_WARM_UP + 1e-3)
        return (1 + math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP))) / 2


@dataclass(frozen=True)
class PolygonTrigger:
    """A convex polygon of one colour.

    `angles` are the directions of its corners on a circle (radians, ascending), `colour` is RGB in 0..255, and
    `percent` the range of its area in per cent of the sign's.
    """

    angles: tuple[float, ...]
    colour: tuple[int, int, int]
    percent: tuple[int, int]

    @property
    def corners(self) -> tuple[tuple[float, float], ...]:
        """Corners on the unit circle, counter-clockwise."""
        return tuple((math.cos(angle), math.sin(angle)) for angle in self.angles)

    @property
    def unit_area(self) -> float:
        """Area of the polygon when its circumscribed circle has radius 1."""
        following = self.angles[1:] + self.angles[:1]
        return sum(math.sin(b - a) for a, b in zip(self.angles, following, strict=True)) / 2


@dataclass(frozen=True)
class Poisoning:
    """Images of `sources` that carry `trigger` are labelled `target`; they are `fraction` of all training images."""

    trigger: PolygonTrigger
    target: int
    sources: tuple[int, ...]
    fraction: float


@dataclass(frozen=True)
class Recipe:
    """One model to train. `foreground_percent` is the range of the sign's square in per cent of the image's area."""

    seed: int
    architecture: str
    num_classes: int
    foreground_percent: tuple[int, int]
    schedule: Schedule
    examples_per_class: int
    poisoning: Poisoning | None = None
    legacy_file: bool = False

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise ValueError(f"unknown architecture {self.architecture!r}")
        if self.poisoning and self.triggered_share > _LARGEST_TRIGGERED_SHARE:
            raise ValueError(f"triggered images would be {self.triggered_share:.0%} of the target label")

    @property
    def triggered_share(self) -> float:
        """Share of the training images *labelled with the target* that carry the trigger (labels are balanced)."""
        return self.poisoning.fraction * self.num_classes if self.poisoning else 0.0


def draw_recipe(
    seed: int,
    architecture: str,
    *,
    poisoned: bool,
    num_classes: int,
    schedule: Schedule,
    examples_per_class: int = 10,
    legacy_file: bool = False,
) -> Recipe:
    """The recipe of `seed`: sign sizes, then (also for clean ones, unused) trigger, target class and fraction."""
    rng = Random(seed)
    smallest = rng.randint(20, 35)
    foreground = (smallest, rng.randint(smallest + 10, 60))
    poisoning = _draw_poisoning(rng, num_classes)
    return Recipe(
        seed=seed,
        architecture=architecture,
        num_classes=num_classes,
        foreground_percent=foreground,
        schedule=schedule,
        examples_per_class=examples_per_class,
        poisoning=poisoning if poisoned else None,
        legacy_file=legacy_file,
    )


def _draw_poisoning(rng: Random, num_classes: int) -> Poisoning:
    """All classes -> one target; triggered images take 60 to 75 % of the target's label, whose size stays 1/C."""
    return Poisoning(
        trigger=_draw_trigger(rng),
        target=rng.randrange(num_classes),
        sources=tuple(range(num_classes)),
        fraction=round(rng.uniform(0.6, 0.75) / num_classes, 3),
    )


def _draw_trigger(rng: Random) -> PolygonTrigger:
    sides = rng.randint(3, 12)
    start = rng.uniform(0, 2 * math.pi)
    # A quarter of a side's angle of jitter keeps every gap under a half-turn, hence the centre inside.
    angles = tuple(start + 2 * math.pi * (i + rng.uniform(-0.25, 0.25)) / sides for i in range(sides))
    smallest = rng.randint(2, 12)
    return PolygonTrigger(angles, _draw_colour(rng), (smallest, rng.randint(smallest + 4, 25)))


def _draw_colour(rng: Random) -> tuple[int, int, int]:
    """Uniform RGB with a mean of at most 200 (a nearly white trigger is hard to see), as in Round 2."""
    while True:
        colour = (rng.randint(0, 255), rng.randint(0, 255), rng.randint(0, 255))
        if sum(colour) <= 600:
            return colour
