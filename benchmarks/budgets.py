"""What is answered within time budgets of 8, 15, 30 and 60 seconds, on idle cores and beside busy processes.

A bundle is made for the purpose: four configurations of falling cost, with random coefficients, for each architecture.
Each architecture must answer in time, by the costliest configuration that fits. Where a budget is enough for the
costliest of all, longer ones are not tried: they change nothing.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.process import Detection, detect, kept
from benchmarks.random_models import random_model
from detector.architectures import ARCHITECTURES as ALL
from detector.base.cpus import usable_cpus
from detector.mapping.bundles import Bundle, write_bundle
from detector.mapping.parameters import Clip, Configuration, LearnedParameters, MappingKind, Provenance
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.rounds.preprocessing import PROFILES
from detector.signals.features import Reduction

SECONDS = (8, 15, 30, 60)
_COSTS = ((15, 10), (10, 10), (5, 10), (5, 5))  # |S|, |D|
_LARGEST = f"{_COSTS[0][0]} x {_COSTS[0][1]}"


def table(architectures: Iterable[str], directory: Path) -> str:
    """The Markdown table: which |S| x |D| answered, and after how many seconds."""
    bundle = _bundle(directory / "bundles")
    lines = [
        "Time budgets. Each cell: |S| x |D| of the configuration that answered, and the wall seconds; `=`: a shorter",
        "budget is enough for the costliest configuration already.",
        f"`busy`: beside {usable_cpus()} other processes that compute all the time.",
        "",
        "| architecture | cores | " + " | ".join(f"{seconds} s" for seconds in SECONDS) + " |",
        "|---|---|" + "---|" * len(SECONDS),
    ]
    cells: list[str] = []
    for name in architectures:
        for cores, busy in (("idle", 0), ("busy", usable_cpus())):
            row = _row(name, cores, busy, directory, bundle)
            lines.append(f"| {name} | {cores} | " + " | ".join(row) + " |")
            cells += row
    measured = [cell for cell in cells if cell != "="]
    return "\n".join([*lines, "", f"- in time: {sum('LATE' not in cell for cell in measured)} of {len(measured)}"])


def _row(name: str, cores: str, busy: int, directory: Path, bundle: Path) -> list[str]:
    row: list[str] = []
    for seconds in SECONDS:
        if row and (row[-1] == "=" or (row[-1].startswith(f"{_LARGEST},") and "LATE" not in row[-1])):
            row.append("=")
            continue
        path = directory / f"{name}-{cores}-{seconds}.json"
        row.append(kept(path, partial(_measured, name, busy, seconds, directory, bundle)))
        sys.stderr.write(f"{name}, {cores}, {seconds} s: {row[-1]}\n")
    return row


def _measured(name: str, busy: int, seconds: int, directory: Path, bundle: Path) -> str:
    model = random_model(name, directory)
    with _busy(busy):
        return cell(detect(model, directory / "scratch", max_seconds=seconds, bundle=bundle), seconds)


def cell(detection: Detection, seconds: float) -> str:
    """How a run ended."""
    thetas = detection.report["thetas"]
    if thetas:
        how = f"{thetas[0]['num_pruned_models']} x {thetas[0]['num_images']}"
    elif detection.exit_code:
        how = f"none (exit {detection.exit_code})"
    else:
        how = detection.report["basis"].replace("_", " ")
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
    return Configuration((theta,), ("accuracy",), Reduction.VARIANTS, MappingKind.LINEAR, 0.5, coefficients)
