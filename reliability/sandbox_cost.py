"""What the sandbox costs: `python -m reliability.sandbox_cost --pairs 20`.

Reads model and images of a sample with and without it, in turns, and takes the differences of pairs: processor time of
this process and its children, and time that passes. Starting the sandbox and ending it is part of it.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from detector.base.resources import data_directory
from detector.examples.images import decode, list_examples
from detector.measurement.confinement import UNCONFINED, confinement
from detector.model_file.reading import read_model
from detector.rounds.preprocessing import PROFILES


def _cpu() -> float:
    used = [resource.getrusage(which) for which in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _taken(work: Callable[[], None]) -> tuple[float, float]:
    """Processor seconds and seconds."""
    cpu, began = _cpu(), time.perf_counter()
    work()
    return _cpu() - cpu, time.perf_counter() - began


def read(model: Path, examples: Path, *, sandboxed: bool) -> None:
    """As a detection does, up to the network's input."""
    with confinement() if sandboxed else nullcontext(UNCONFINED) as place:
        assert (place.sandbox is not None) == sandboxed
        _ = read_model(model, sandbox=place.sandbox).sha256
        listing = list_examples(examples)
        decode(listing, range(len(listing)), PROFILES["small"], sandbox=place.sandbox)


def main() -> None:
    """Print a row for each sample."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=20)
    pairs = parser.parse_args().pairs
    print("| sample | MB | images | processor time more | time more |\n|---|---|---|---|---|")
    for folder in sorted((data_directory() / "samples").glob("id-*")):
        model, examples = folder / "model.pt", folder / "example_data"
        read(model, examples, sandboxed=False)
        cpus, walls = [], []
        for _ in range(pairs):
            without = _taken(lambda: read(model, examples, sandboxed=False))  # noqa: B023 - called here
            within = _taken(lambda: read(model, examples, sandboxed=True))  # noqa: B023
            cpus.append(within[0] - without[0])
            walls.append(within[1] - without[1])
        size, count = model.stat().st_size / 2**20, len(list_examples(examples))
        told = [f"{statistics.median(each):.3f} s (up to {max(each):.3f} s)" for each in (cpus, walls)]
        print(f"| {folder.name} | {size:.0f} | {count} | {told[0]} | {told[1]} |", flush=True)


if __name__ == "__main__":
    main()
