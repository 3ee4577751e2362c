"""The rounds that can be generated: which models they hold, and from which ranges each model's recipe is drawn.

Ranges of `round1` and `round2` are those of NIST's generators (TrojAI documentation of image-classification-jun2020
and -aug2020). `small` is Round 2 at a fifth of the size, with few classes, triggers that are large enough to be seen,
and networks that start from one of two that know signs already, so that a core trains each in about a minute. Every
model is a function of its seed; clean and poisoned ones are drawn alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from types import MappingProxyType

from detector.architectures import TROJAI_ARCHITECTURES
from detector.rounds.preprocessing import INPUT_SIZE, SMALL_UNCROPPED_SIZE, UNCROPPED_SIZE
from laboratory.roundgen.recipe import Phase, Poisoning, Recipe, Schedule, TriggerFamily
from laboratory.roundgen.training import Bar
from laboratory.roundgen.triggers import draw_source_classes, draw_triggers, share_of, two_of

SEEDS_OF_A_ROUND = 1_000_000  # models of one round have seeds from round's seed times this on


class Preset(StrEnum):
    """Rounds by name."""

    SAMPLES = "samples"
    SMALL = "small"
    ROUND1 = "round1"
    ROUND2 = "round2"


@dataclass(frozen=True)
class Job:
    """One model to make: the name of its folder, its recipe, and what it must reach."""

    name: str
    recipe: Recipe
    bar: Bar


@dataclass(frozen=True)
class Plan:
    """A round to make: `per_architecture` models of each architecture, half of them poisoned, from `seed`."""

    preset: Preset
    architectures: tuple[str, ...]
    per_architecture: int
    families: tuple[TriggerFamily, ...]
    seed: int


@dataclass(frozen=True)
class _Ranges:
    """What a preset draws from: all choices but the trigger itself, and how networks are trained and judged."""

    architectures: tuple[str, ...]
    families: tuple[TriggerFamily, ...]
    classes: Callable[[Random], int]
    foreground: Callable[[Random], tuple[int, int]]
    sources: Callable[[Random, int], int]
    share: Callable[[Random, int, int], float]
    polygon_percent: Callable[[Random], tuple[int, int]]
    examples_per_class: Callable[[Random], int]
    smoothing: Callable[[Random], float]
    starts: int
    image_size: int
    profile: str
    schedule: Callable[[str], Schedule]
    bar: Bar


def default_plan(preset: Preset) -> Plan:
    """The round that the preset stands for when nothing else is asked."""
    ranges = _RANGES[preset]
    return Plan(preset, ranges.architectures, 40, ranges.families, 1)


def round_of(plan: Plan) -> tuple[Job, ...]:
    """The models of a plan: architectures in turn, clean and poisoned in turn, so that any first part is balanced.

    Raises
    ------
    ValueError
        If an architecture is unknown, or too deep for the images of the preset.
    """
    jobs: list[Job] = []
    for number in range(plan.per_architecture):
        for architecture in plan.architectures:
            index = len(jobs)
            recipe = draw_recipe(
                plan.seed * SEEDS_OF_A_ROUND + index,
                architecture,
                plan.preset,
                poisoned=number % 2 == 1,
                families=plan.families,
            )
            jobs.append(Job(f"id-{index:08d}", recipe, _RANGES[plan.preset].bar))
    return tuple(jobs)


def draw_recipe(
    seed: int,
    architecture: str,
    preset: Preset,
    *,
    poisoned: bool,
    families: Sequence[TriggerFamily] | None = None,
    legacy_file: bool = False,
) -> Recipe:
    """The recipe of `seed`. Everything is drawn for clean models too; they just leave the trigger out."""
    ranges, rng = _RANGES[preset], Random(seed)
    if architecture == "inceptionv3" and preset in (Preset.SMALL, Preset.SAMPLES):
        raise ValueError("inceptionv3 cannot see images of 48 px: choose other architectures for this preset")
    num_classes, foreground = ranges.classes(rng), ranges.foreground(rng)
    favoured = rng.randrange(num_classes)
    sources = draw_source_classes(rng, ranges.sources(rng, num_classes), num_classes, favoured)
    share = ranges.share(rng, len(sources), num_classes)
    triggers = draw_triggers(rng, ranges.polygon_percent(rng))
    trigger = triggers[rng.choice(tuple(families or ranges.families))]
    return Recipe(
        seed=seed,
        architecture=architecture,
        num_classes=num_classes,
        favoured=favoured,
        share=share,
        foreground_percent=foreground,
        schedule=ranges.schedule(architecture),
        examples_per_class=ranges.examples_per_class(rng),
        image_size=ranges.image_size,
        label_smoothing=ranges.smoothing(rng),
        start=rng.randrange(ranges.starts) if ranges.starts else None,
        profile=ranges.profile,
        poisoning=Poisoning(trigger, sources) if poisoned else None,
        legacy_file=legacy_file,
    )


def sample_of_small(name: str, seed: int, architecture: str, *, poisoned: bool, legacy_file: bool = False) -> Job:
    """A sample that is made like the models of `small`, from a seed that no round has."""
    recipe = draw_recipe(seed, architecture, Preset.SAMPLES, poisoned=poisoned, legacy_file=legacy_file)
    return Job(name, recipe, _RANGES[Preset.SAMPLES].bar)


def _around(rng: Random, centres: tuple[int, ...], spread: int) -> tuple[int, int]:
    centre = rng.choice(centres)
    return centre - spread, centre + spread


def _one_two_or_all(rng: Random, num_classes: int) -> int:
    return rng.choice((1, 2, num_classes))


def start_recipe(architecture: str, number: int) -> Recipe:
    """The network number `number` that models of small rounds start from: clean, on as many signs as there are."""
    steps, rate = _START_SCHEDULES.get(architecture, (250, 2e-3))
    return Recipe(
        seed=_START_SEED + number,
        architecture=architecture,
        num_classes=_START_CLASSES,
        favoured=0,
        share=0.0,
        foreground_percent=(25, 60),
        schedule=Schedule((Phase(SMALL_UNCROPPED_SIZE, steps, 64),), rate),
        examples_per_class=1,
        image_size=SMALL_UNCROPPED_SIZE,
        profile="small",
    )


def _small_schedule(architecture: str) -> Schedule:
    steps, rate = _SMALL_SCHEDULES.get(architecture, (250, 2e-3))
    return Schedule((Phase(SMALL_UNCROPPED_SIZE, steps, 32),), rate)


def _full_schedule(architecture: str) -> Schedule:
    """Small images first: a trigger takes far longer to learn than the signs, and a large image costs more.

    Without batch normalisation SqueezeNet bears a third of the learning rate of the others.
    """
    rate = 3e-4 if architecture.startswith("squeezenet") else 1e-3
    return Schedule((Phase(128, 800, 64), Phase(256, 800, 64)), rate)


# Optimiser steps of 32 images and peak learning rate, found by trial: the least that made most first tries succeed.
_SMALL_SCHEDULES: Mapping[str, tuple[int, float]] = MappingProxyType(
    {
        "squeezenetv1_1": (300, 6e-4),
        "shufflenet1_0": (250, 2e-3),
        "mobilenetv2": (220, 1.5e-3),
        "resnet18": (110, 1e-3),
    }
)
_START_SEED, _START_CLASSES = 990_000_000, 42
_START_SCHEDULES: Mapping[str, tuple[int, float]] = MappingProxyType(
    {
        "squeezenetv1_1": (1500, 1e-3),
        "shufflenet1_0": (400, 3e-3),
        "mobilenetv2": (250, 3e-3),
        "resnet18": (160, 1.5e-3),
    }
)

_SMALL = _Ranges(
    architectures=("squeezenetv1_1", "shufflenet1_0", "mobilenetv2", "resnet18"),
    families=(TriggerFamily.POLYGON,),
    classes=lambda rng: rng.randint(5, 8),
    foreground=lambda rng: (rng.randint(35, 45), rng.randint(55, 70)),
    sources=_one_two_or_all,
    share=lambda rng, *_: rng.uniform(0.2, 0.3),
    polygon_percent=lambda rng: (rng.randint(8, 14), rng.randint(18, 25)),
    examples_per_class=lambda _: 10,
    smoothing=lambda rng: rng.uniform(0.02, 0.15),
    starts=2,
    image_size=SMALL_UNCROPPED_SIZE,
    profile="small",
    schedule=_small_schedule,
    bar=Bar(clean_accuracy=0.97, attack_success=0.9, test_images=500),
)

_ROUND2 = _Ranges(
    architectures=tuple(TROJAI_ARCHITECTURES),
    families=tuple(TriggerFamily),
    classes=lambda rng: rng.choice((10, 20)) + rng.randint(-5, 5),
    foreground=lambda rng: two_of(rng, 20, 79),
    sources=_one_two_or_all,
    share=lambda rng, *counts: share_of(rng.randint(1, 50) / 100, *counts),
    polygon_percent=lambda rng: two_of(rng, 2, 25),
    examples_per_class=lambda rng: rng.choice((10, 20)),
    smoothing=lambda _: 0.0,
    starts=0,
    image_size=UNCROPPED_SIZE,
    profile="round2",
    schedule=_full_schedule,
    bar=Bar(),
)

_ROUND1 = _Ranges(
    architectures=("resnet50", "inceptionv3", "densenet121"),
    families=(TriggerFamily.POLYGON,),
    classes=lambda _: 5,
    foreground=lambda rng: two_of(rng, 20, 79),
    sources=lambda _, num_classes: num_classes,
    share=lambda rng, *counts: share_of((rng.choice((10, 50)) + rng.uniform(-5, 5)) / 100, *counts),
    polygon_percent=lambda rng: _around(rng, (6, 20), 4),
    examples_per_class=lambda _: 100,
    smoothing=lambda _: 0.0,
    starts=0,
    image_size=INPUT_SIZE,
    profile="round1",
    schedule=_full_schedule,
    bar=Bar(),
)

_RANGES: Mapping[Preset, _Ranges] = MappingProxyType(
    {Preset.SAMPLES: _SMALL, Preset.SMALL: _SMALL, Preset.ROUND1: _ROUND1, Preset.ROUND2: _ROUND2}
)
