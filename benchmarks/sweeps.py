"""How many models an hour `configure` measures, and how that grows, as a table (`make bench-configure`).

Networks with random weights at 224 x 224, one worker process per core, one theta (Reset, Targeted, L1); processes are
started anew for each figure, as `configure` starts them. What was measured is kept: an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks import machine
from benchmarks.process import ROOT, kept
from benchmarks.random_models import random_model
from detector.base.clock import SystemClock
from detector.base.cpus import usable_cpus
from detector.base.workers import Workers
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.rounds.preprocessing import PROFILES
from detector.rounds.reading import LabelledModel
from detector.sweep.store import Store
from detector.sweep.sweeping import Sweep
from detector.sweep.workers import measure_round

ARCHITECTURES = ("shufflenet1_0", "resnet18", "resnet50", "densenet121")
_SIZES = ((15, 10), (5, 10), (30, 10), (15, 5), (15, 20))  # |S|, |D|; the first is compared with
_MODELS = (2, 1, 4, 8)  # the first is what the sizes are measured with

Case = tuple[int, int, int]  # |S|, |D|, models


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what has not been measured yet, and write the table."""
    given = _parser().parse_args(arguments)
    given.directory.mkdir(parents=True, exist_ok=True)
    load = machine.load()
    rows = [(name, case, _seconds(name, case, given.directory)) for name in given.only for case in cases()]
    given.output.write_text("\n".join((*_head(load), *table(rows))) + "\n", encoding="utf-8")


def cases() -> list[Case]:
    """All sizes with the usual number of models, then other numbers of models with the usual size."""
    return [(*size, _MODELS[0]) for size in _SIZES] + [(*_SIZES[0], count) for count in _MODELS[1:]]


def table(rows: Iterable[tuple[str, Case, float]]) -> list[str]:
    """Lines of Markdown, the cases of an architecture relative to its first one."""
    lines = [
        "| architecture | pruned models | images | models | s | models an hour | relative |",
        "|---|---|---|---|---|---|---|",
    ]
    first: dict[str, float] = {}
    for name, (variants, images, models), seconds in rows:
        rate = 3600 * models / seconds
        relative = rate / first.setdefault(name, rate)
        lines.append(f"| {name} | {variants} | {images} | {models} | {seconds:.1f} | {rate:.0f} | {relative:.2f} |")
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=ARCHITECTURES, metavar="ARCHITECTURE")
    parser.add_argument("--directory", type=Path, default=ROOT / "build/bench-configure", help="where figures are kept")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "configure.md")
    return parser


def _head(load: float) -> tuple[str, ...]:
    return (
        "# Measuring a round",
        "",
        "Written by `make bench-configure`: one theta (Reset, Targeted, L1), 224 x 224, random weights.",
        "",
        machine.description(),
        f"- {usable_cpus()} workers, load before the start {load:.1f}",
        "",
    )


def _seconds(name: str, case: Case, directory: Path) -> float:
    path = directory / f"{name}-{'-'.join(map(str, case))}.json"
    seconds: float = kept(path, lambda: _measure(name, case, directory))
    sys.stderr.write(f"{name}, |S|, |D|, models {case}: {seconds:.1f} s\n")
    return seconds


def _measure(name: str, case: Case, directory: Path) -> float:
    variants, images, count = case
    theta = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 1 / 15, variants, images)
    models = [_model(name, number, directory) for number in range(count)]
    scratch = Path(tempfile.mkdtemp(dir=directory))
    began = time.perf_counter()
    sweep = Sweep((theta,), PROFILES["round2"])
    measured = measure_round(models, sweep, Store(scratch), SystemClock(), Workers(usable_cpus()))
    seconds = time.perf_counter() - began
    shutil.rmtree(scratch)
    assert sum(len(one.names) for one in measured.readings) == count
    return seconds


def _model(name: str, number: int, directory: Path) -> LabelledModel:
    folder = directory / f"{number}"
    folder.mkdir(exist_ok=True)
    return LabelledModel(
        f"{name}-{number}", random_model(name, folder, seed=number), folder / "examples", bool(number % 2)
    )


if __name__ == "__main__":
    main()
