"""What is answered within time budgets of 60, 30, 15 and 8 seconds, on idle cores and beside busy processes.

A bundle is made for the purpose: four configurations of falling cost, with random coefficients, for each architecture.
Each architecture must answer in time, by the costliest configuration that fits.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.process import Detection, detect
from benchmarks.random_models import random_model
from detector.architectures import ARCHITECTURES as ALL
from detector.cpus import usable_cpus
from detector.examples.preprocessing import PROFILES
from detector.mapping.bundles import Bundle, write_bundle
from detector.mapping.features import Reduction
from detector.mapping.parameters import Clip, Configuration, LearnedParameters, MappingKind, Provenance
from detector.mapping.signals import Signal
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta

# From the smallest to the largest network, so that every budget is ample for some and short for others.
ARCHITECTURES = ("shufflenet1_0", "resnet50", "densenet121", "densenet201", "wideresnet101", "vgg19bn")
SECONDS = (60, 30, 15, 8)
_COSTS = ((15, 10), (10, 10), (5, 10), (5, 5))  # |S|, |D|


def table(architectures: Iterable[str], directory: Path) -> str:
    """The Markdown table: which |S| x |D| answered, and after how many seconds."""
    bundle = _bundle(directory / "bundles")
    lines = [
        "Time budgets. Each cell: |S| x |D| of the configuration that answered, and the wall seconds.",
        f"`busy`: beside {usable_cpus()} other processes that compute all the time.",
        "",
        "| architecture | cores | " + " | ".join(f"{seconds} s" for seconds in SECONDS) + " |",
        "|---|---|" + "---|" * len(SECONDS),
    ]
    for name in architectures:
        model = random_model(name, directory)
        for cores, busy in (("idle", 0), ("busy", usable_cpus())):
            with _busy(busy):
                cells = list(_cells(model, directory, bundle))
            lines.append(f"| {name} | {cores} | " + " | ".join(cells) + " |")
        model.unlink()
    return "\n".join(lines)


def _cells(model: Path, directory: Path, bundle: Path) -> Iterator[str]:
    for seconds in SECONDS:
        sys.stderr.write(f"{model.stem}: budget {seconds} s\n")
        yield cell(detect(model, directory / "scratch", max_seconds=seconds, bundle=bundle), seconds)


def cell(detection: Detection, seconds: float) -> str:
    """How a run ended."""
    thetas = detection.report["thetas"]
    how = (
        f"{thetas[0]['num_pruned_models']} x {thetas[0]['num_images']}"
        if thetas
        else detection.report["basis"].replace("_", " ")
    )
    return f"{how}, {detection.wall:.1f}" + (" LATE" if detection.wall > seconds else "")


@contextlib.contextmanager
def _busy(count: int) -> Iterator[None]:
    """Processes that compute as long as the block lasts."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def _bundle(directory: Path) -> Path:
    rng = np.random.default_rng(0)
    configurations = tuple(_configuration(rng, *cost) for cost in _COSTS)
    provenance = Provenance("none", 2, 1, "random coefficients: for measuring time only", "made by the benchmark")
    parameters = [
        LearnedParameters(name, PROFILES["rgb_minmax"], 0.5, Clip(), configurations, provenance) for name in ALL
    ]
    return write_bundle(directory, Bundle("benchmark", "1", "for measuring time only", 0.5), parameters)


def _configuration(rng: np.random.Generator, num_pruned_models: int, num_images: int) -> Configuration:
    theta = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.067, num_pruned_models, num_images)
    coefficients = tuple(rng.normal(size=num_pruned_models).tolist())
    return Configuration((theta,), (Signal.ACCURACY,), Reduction.VARIANTS, MappingKind.LINEAR, 0.5, coefficients)
