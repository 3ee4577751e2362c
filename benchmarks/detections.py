"""Times whole detections of all architectures, and writes the table (`make bench`).

Every figure is of a process as a user starts it, with NIST's Round 2 parameters (Reset, Targeted, L1, |S| = 15,
|D| = 10) and a model file with random weights. Beside it stands the floor: the arithmetic of (|S| + 1) x |D| images at
the best speed that the machine showed in the same run. What was measured is kept for each architecture, so that an
interrupted run goes on where it stopped. This process stays small: the kernel counts a child's peak of memory from
its parent's.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import budgets, machine
from benchmarks.operations import multiply_adds
from benchmarks.process import ROOT, detect, kept
from benchmarks.random_models import NUM_CLASSES, random_model
from detector.architectures import ARCHITECTURES
from detector.graph.reference import reference_graph

IMPORTS = "import jsonschema, numpy, torch, PIL.Image"
_NUM_PASSES, _NUM_IMAGES = 16, 10  # the unpruned network and |S| = 15 variants
_NO_BUDGET = 600.0  # seconds, more than any architecture takes: nothing is dropped
_MOST_SECONDS = dict.fromkeys(ARCHITECTURES, 60.0) | {
    "resnet18": 8.0,
    "resnet50": 13.0,
    "densenet121": 13.0,
    "squeezenetv1_0": 5.0,
    "squeezenetv1_1": 5.0,
    "shufflenet1_0": 5.0,
    "shufflenet1_5": 5.0,
    "shufflenet2_0": 5.0,
}
_MOST_RATIO = 1.5


@dataclass(frozen=True)
class Machine:
    """Billions of operations a second at best, seconds of the bare imports, load before the start."""

    speed: float
    imports: float
    load: float


@dataclass(frozen=True)
class Measured:
    """Of one architecture: medians of seconds, the highest peak of memory and the size of the file in bytes."""

    wall: float
    cpu: float
    memory: int
    file_bytes: int
    load: float

    @property
    def memory_bound(self) -> float:
        """2.5 times the file and 1 GB, in bytes."""
        return 2.5 * self.file_bytes + 1e9


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what has not been measured yet, and write the tables."""
    given = _parser().parse_args(arguments)
    given.directory.mkdir(parents=True, exist_ok=True)
    here = _machine(given.directory / "machine.json")
    measured = {name: _architecture(name, given) for name in given.only}
    sections = [_head(here), table(measured, here)]
    given.output.write_text("\n\n".join(sections) + "\n", encoding="utf-8")
    if not given.no_budgets:
        sections.append(budgets.table(given.only, given.directory))
    given.output.write_text("\n\n".join(sections) + "\n", encoding="utf-8")
    for name in given.only:
        (given.directory / f"{name}.pt").unlink(missing_ok=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=tuple(ARCHITECTURES), metavar="ARCHITECTURE")
    parser.add_argument("--repeats", type=int, default=3, help="runs, of which the median counts")
    parser.add_argument("--no-budgets", action="store_true", help="leave the table of time budgets out")
    parser.add_argument("--directory", type=Path, default=ROOT / "build/bench", help="where measurements are kept")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results.md")
    return parser


def _machine(path: Path) -> Machine:
    return Machine(**kept(path, lambda: asdict(_measure_machine())))


def _measure_machine() -> Machine:
    load = machine.load()
    return Machine(machine.best_speed().best, machine.import_seconds(IMPORTS), load)


def _architecture(name: str, given: argparse.Namespace) -> Measured:
    path = given.directory / f"{name}.json"
    measured = Measured(**kept(path, lambda: asdict(_measure(name, given))))
    sys.stderr.write(f"{name}: {measured.wall:.1f} s\n")
    return measured


def _measure(name: str, given: argparse.Namespace) -> Measured:
    load = machine.load()
    model = random_model(name, given.directory)
    runs = [detect(model, given.directory / "scratch", max_seconds=_NO_BUDGET) for _ in range(given.repeats)]
    assert all(len(run.report["signal_vector"]) == _NUM_PASSES - 1 for run in runs)
    file_bytes = model.stat().st_size
    wall, cpu = (statistics.median(values) for values in zip(*((run.wall, run.cpu) for run in runs), strict=True))
    return Measured(wall, cpu, max(run.memory for run in runs), file_bytes, load)


def floor(name: str, speed: float) -> float:
    """Seconds that the arithmetic of a detection takes at `speed` billions of operations a second."""
    return 2 * multiply_adds(reference_graph(name), NUM_CLASSES) * _NUM_PASSES * _NUM_IMAGES / (speed * 1e9)


def _head(here: Machine) -> str:
    return "\n".join(
        (
            "# Whole detections",
            "",
            "Written by `make bench`: Reset, Targeted, L1, |S| = 15, |D| = 10, 224 x 224, random weights.",
            "",
            machine.description(),
            f"- best speed {here.speed:.0f} GFLOP/s on all cores (the better of a matrix product and a convolution)",
            f"- bare imports (`{IMPORTS}`) {here.imports:.2f} s",
            f"- load before the start {here.load:.1f}",
        )
    )


def table(measured: Mapping[str, Measured], here: Machine) -> str:
    """The Markdown table of all architectures, and what follows from it."""
    ratios = {name: one.wall / (floor(name, here.speed) + here.imports) for name, one in measured.items()}
    lines = [
        "| architecture | wall, s | at most | CPU, s | peak, MB | at most | floor, s | ratio | load |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, one in measured.items():
        memory = f"{one.memory / 1e6:.0f} | {one.memory_bound / 1e6:.0f}"
        times = f"{one.wall:.1f} | {_MOST_SECONDS[name]:.0f} | {one.cpu:.1f}"
        lines.append(
            f"| {name} | {times} | {memory} | {floor(name, here.speed):.2f} | {ratios[name]:.2f} | {one.load:.1f} |"
        )
    late = [name for name, one in measured.items() if one.wall > _MOST_SECONDS[name]]
    large = [name for name, one in measured.items() if one.memory > one.memory_bound]
    mean = statistics.geometric_mean(ratios.values())
    lines += [
        "",
        "- ratio: wall / (floor + bare imports); load: of the last minute, before the first of the runs",
        f"- geometric mean of the ratios: {mean:.2f} (at most {_MOST_RATIO})",
        f"- later than wanted: {_listed(late)}",
        f"- more memory than 2.5 x file + 1 GB: {_listed(large)}",
    ]
    return "\n".join(lines)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


if __name__ == "__main__":
    main()
