"""How long a measurement takes: against |S| with |D| fixed and against |D| with |S| fixed, and the straight line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from detector.learning.search.candidates import seconds
from detector.pruning.theta import Theta
from detector.sweep.readings import ArchitectureReadings


@dataclass(frozen=True)
class Line:
    """Median seconds over the thetas at each size, with intercept and slope; no slope from a single size."""

    fixed: int
    sizes: tuple[int, ...]
    seconds: tuple[float, ...]
    intercept: float | None
    slope: float | None


@dataclass(frozen=True)
class Timing:
    """Both lines of one architecture, each where the other size is the most frequent one."""

    architecture: str
    against_models: Line
    against_images: Line


def timing(readings: ArchitectureReadings) -> Timing:
    """From the seconds that were measured with the readings."""
    return Timing(
        readings.architecture,
        _line(readings, lambda theta: theta.num_pruned_models, lambda theta: theta.num_images),
        _line(readings, lambda theta: theta.num_images, lambda theta: theta.num_pruned_models),
    )


def _line(readings: ArchitectureReadings, size: Callable[[Theta], int], fixed: Callable[[Theta], int]) -> Line:
    numbers = [fixed(theta) for theta in readings.thetas]
    usual = max(sorted(set(numbers)), key=numbers.count)
    by_size: dict[int, list[float]] = defaultdict(list)
    for theta in readings.thetas:
        if fixed(theta) == usual:
            by_size[size(theta)].append(seconds(readings, theta))
    sizes = sorted(by_size)
    medians = [float(np.median(by_size[one])) for one in sizes]
    if len(sizes) < 2:
        return Line(usual, tuple(sizes), tuple(medians), None, None)
    slope, intercept = np.polyfit(sizes, medians, 1)
    return Line(usual, tuple(sizes), tuple(medians), float(intercept), float(slope))
