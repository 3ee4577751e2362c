"""What all rounds draw alike of trojans: triggers, the classes that they work on, and how many images carry one.

The order of draws is part of what a seed means: whoever changes it makes other models of the same seeds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random

from laboratory.roundgen.recipe import Filter, PolygonTrigger, Trigger, TriggerFamily


def draw_triggers(rng: Random, percent: tuple[int, int]) -> Mapping[TriggerFamily, Trigger]:
    """A trigger of each family, whichever of them is wanted; the polygon's area in `percent` of the sign's."""
    polygon, photo_filter = draw_polygon(rng, percent), rng.choice(list(Filter))
    return {TriggerFamily.POLYGON: polygon, TriggerFamily.FILTER: photo_filter}


def draw_polygon(rng: Random, percent: tuple[int, int]) -> PolygonTrigger:
    """A convex polygon of 3 to 12 sides and any colour but white, its area in `percent` of the sign's."""
    sides = rng.randint(3, 12)
    start = rng.uniform(0, 2 * math.pi)
    # A quarter of a side's angle of jitter keeps every gap under a half-turn, hence the centre inside.
    angles = tuple(start + 2 * math.pi * (i + rng.uniform(-0.25, 0.25)) / sides for i in range(sides))
    return PolygonTrigger(angles, _draw_colour(rng), percent)


def _draw_colour(rng: Random) -> tuple[int, int, int]:
    """Uniform RGB with a mean of at most 200 (a nearly white trigger is hard to see), as in Round 2."""
    while True:
        colour = (rng.randint(0, 255), rng.randint(0, 255), rng.randint(0, 255))
        if sum(colour) <= 600:
            return colour


def draw_source_classes(rng: Random, count: int, num_classes: int, favoured: int) -> tuple[int, ...]:
    """All classes, or `count` of them other than the target, as in Round 2."""
    if count == num_classes:
        return tuple(range(num_classes))
    return tuple(sorted(rng.sample([c for c in range(num_classes) if c != favoured], count)))


def share_of(fraction: float, num_sources: int, num_classes: int) -> float:
    """Share of all images that carry a trigger if `fraction` of those of the source classes do.

    The other images are spread evenly: with x triggered ones, x = fraction * (x + (1 - x) sources / classes).
    """
    clean = num_sources / num_classes
    return fraction * clean / (1 - fraction + fraction * clean)


def two_of(rng: Random, low: int, high: int) -> tuple[int, int]:
    """Two different numbers from low to high, ascending."""
    first, second = sorted(rng.sample(range(low, high + 1), 2))
    return first, second
