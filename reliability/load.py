"""Many detections in one process, as a harness with a persistent instance makes them: `python -m reliability.load`;
and many processes, one after the other and at once: `python -m reliability.load --processes 200 --at_once 8`.

Answers must be those of a process of its own, memory and open files must not grow. Ends with 1 where they do.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from detector import program
from reliability.faults import ROOT, Model, patient_settings

_WARM = 3  # detections of each sample, before memory is compared: pools and caches fill
_GROWTH = 0.1  # of the memory after these


@dataclass(frozen=True)
class After:
    """What the process holds after a detection."""

    answer: str
    memory: int  # bytes
    descriptors: int
    seconds: float


def detection(sample: Path, output: Path) -> After:
    """Judge the sample in this process."""
    words = ["--model_filepath", str(sample / "model.pt"), "--examples_dirpath", str(sample / "example_data")]
    words += ["--result_filepath", str(output / "result.txt"), "--scratch_dirpath", str(output / "scratch")]
    began = time.monotonic()
    with contextlib.redirect_stdout(io.StringIO()):
        code = program.main([*words, "--metaparameters_filepath", str(patient_settings(output))])
    answer = f"{(output / 'result.txt').read_text().strip()} (exit {code})"
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    return After(answer, pages * os.sysconf("SC_PAGE_SIZE"), descriptors, time.monotonic() - began)


def findings(history: dict[str, list[After]]) -> list[str]:
    """What is wrong with detections of each sample, in order: answers that differ, growth."""
    told = [
        f"{name}: answers {sorted({one.answer for one in runs})}"
        for name, runs in history.items()
        if len({one.answer for one in runs}) > 1 or not runs[0].answer.endswith("(exit 0)")
    ]
    rounds = [max(one.memory for one in turn) for turn in zip(*history.values(), strict=True)][_WARM - 1 :]
    if rounds and rounds[-1] > (1 + _GROWTH) * rounds[0]:
        told.append(f"memory grew from {rounds[0] >> 20} to {rounds[-1] >> 20} MB")
    descriptors = [max(one.descriptors for one in turn) for turn in zip(*history.values(), strict=True)][_WARM - 1 :]
    if descriptors and descriptors[-1] > descriptors[0]:
        told.append(f"descriptors grew from {descriptors[0]} to {descriptors[-1]}")
    return told


def processes(count: int, at_once: int, folder: Path) -> list[str]:
    """Judge a sample in so many processes of their own, `at_once` at a time; what is wrong with the answers."""
    sample = ROOT / "samples" / "id-00000000"

    def one(number: int) -> tuple[str, float]:
        output = folder / str(number)
        output.mkdir()
        began = time.monotonic()
        command = Model(sample / "model.pt", sample / "example_data", patient_settings(output)).command(output)
        done = subprocess.run(command, capture_output=True, check=False, cwd=ROOT)
        return f"{(output / 'result.txt').read_text().strip()} (exit {done.returncode})", time.monotonic() - began

    with ThreadPoolExecutor(at_once) as pool:
        ended = list(pool.map(one, range(count)))
    answers, seconds = Counter(answer for answer, _ in ended), [taken for _, taken in ended]
    print(f"- {count} processes, {at_once} at once: {dict(answers)}, {min(seconds):.1f} to {max(seconds):.1f} s each")
    sound = len(answers) == 1 and next(iter(answers)).endswith("(exit 0)")
    return [] if sound else [f"{count} processes, {at_once} at once: {dict(answers)}"]


def _main_of_processes(count: int, at_once: int) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "alone").mkdir()
        (folder / "together").mkdir()
        told = processes(count, 1, folder / "alone") + processes(at_once, at_once, folder / "together")
    print("\n".join(f"FOUND {one}" for one in told) or "Same answers.")
    return int(bool(told))


def main() -> int:
    """Judge the samples by turns and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detections", type=int, default=100)
    parser.add_argument("--processes", type=int, default=0, help="processes of one detection each, instead")
    parser.add_argument("--at_once", type=int, default=8, help="and then so many at once")
    options = parser.parse_args()
    if options.processes:
        return _main_of_processes(options.processes, options.at_once)
    samples = sorted((ROOT / "samples").glob("id-*"))
    history: dict[str, list[After]] = {sample.name: [] for sample in samples}
    program.process_started = time.monotonic  # type: ignore[assignment, attr-defined] # time counts from each call
    with tempfile.TemporaryDirectory() as name:
        for number in range(max(options.detections // len(samples), _WARM + 1) * len(samples)):
            sample = samples[number % len(samples)]
            history[sample.name].append(detection(sample, Path(name)))
    for name, runs in history.items():
        memory = ", ".join(str(one.memory >> 20) for one in (runs[0], runs[_WARM - 1], runs[-1]))
        print(f"- {name}: {len(runs)} x {runs[0].answer}, {memory} MB, {runs[-1].descriptors} descriptors")
    told = findings(history)
    print("\n".join(f"FOUND {one}" for one in told) or "Same answers, flat memory and descriptors.")
    return int(bool(told))


if __name__ == "__main__":
    sys.exit(main())
