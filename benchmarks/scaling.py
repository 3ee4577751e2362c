"""How `evaluate` scales over worker processes, as a table (`python -m benchmarks.scaling`).

Three figures decide how far a round can be spread: seconds a model with 1, 2 and 4 workers, what the pool itself takes
a task, and the bytes that travel to a worker for one model. From them `on_paper` says what 2104 models under 31
configurations (NIST's Rounds 1 and 2, and the configurations of the paper) take on many cores. Let nothing else run.
"""

from __future__ import annotations

import argparse
import math
import pickle
import tempfile
import time
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from benchmarks import machine
from benchmarks.process import ROOT
from detector.base.clock import SystemClock
from detector.base.pool import run_tasks
from detector.base.workers import Workers
from detector.commands.evaluate import EvaluateRequest, evaluate, judge_member
from detector.commands.settings import load_settings
from detector.rounds.reading import read_members

_COUNTS = (1, 2, 4)
_MODELS = 16
_TASKS = 400
PAPER = (2104, 31)  # models, configurations
SETTINGS = load_settings(ROOT / "metaparameters.json", ROOT / "metaparameters_schema.json")
LEARNED = ROOT / "learned_params"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "scaling.md")
    parser.add_argument("--conditions", default="", help="what else ran, as a sentence for the page")
    given = parser.parse_args(arguments)
    load = machine.load()
    with tempfile.TemporaryDirectory() as folder:
        round_ = _round(Path(folder) / "round2-scaling")
        rows = [(count, _seconds(round_, Path(folder) / f"{count}", count)) for count in _COUNTS]
        overhead, size = _overhead(), _bytes(round_)
    lines = [
        "# Rounds over worker processes",
        "",
        f"Written by `python -m benchmarks.scaling`: {_MODELS} copies of the sample models, judged by `evaluate`. The "
        "start of the workers counts.",
        "",
        machine.description(),
        f"- load before the start {load:.1f}",
        *([f"- {given.conditions}"] if given.conditions else []),
        "",
        *table(rows),
        "",
        f"The pool takes {1000 * overhead:.1f} ms a task, {size} bytes travel to a worker for a model. The worker "
        "reads the model file itself.",
        "",
        on_paper(rows[0][1], overhead),
    ]
    given.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


def table(rows: Iterable[tuple[int, float]]) -> list[str]:
    """Lines of Markdown, of numbers of workers and seconds a model; the first one is compared with."""
    lines = ["| workers | s a model | models an hour | of what so many would do |", "|---|---|---|---|"]
    first: tuple[int, float] | None = None
    for count, seconds in rows:
        first = first or (count, seconds)
        share = first[1] * first[0] / (seconds * count)
        lines.append(f"| {count} | {seconds:.2f} | {3600 / seconds:.0f} | {share:.0%} |")
    return lines


def on_paper(seconds: float, overhead: float, cores: int = 100) -> str:
    """Of the round of the paper: `seconds` a model on one core, `overhead` seconds a task in the process in front."""
    tasks = PAPER[0] * PAPER[1]
    hours = tasks * seconds / cores / 3600
    return (
        f"On paper, {PAPER[0]} models under {PAPER[1]} configurations, each as long as one model here, "
        f"take {hours:.1f} h on {cores} cores. One process hands out {1 / overhead:.0f} tasks a second, so more than "
        f"{seconds / overhead:.0f} cores have nothing to do. {_waves(cores)}"
    )


def _waves(cores: int) -> str:
    """What it costs that a task is a whole model: the last wave is not full."""
    waves = math.ceil(PAPER[0] / cores)
    used = PAPER[0] / (waves * cores)
    return (
        f"A task is one model under all its configurations: {waves} waves on {cores} cores, of which {used:.0%} are "
        f"used, and none for more than {PAPER[0]} cores."
    )


def _round(folder: Path) -> Path:
    samples = sorted((ROOT / "samples").glob("id-*"))
    folder.mkdir()
    for number in range(_MODELS):
        (folder / f"id-{number:08d}").symlink_to(samples[number % len(samples)])
    return folder


def _seconds(round_: Path, output: Path, count: int) -> float:
    began = time.perf_counter()
    found = evaluate(EvaluateRequest(round_, output, LEARNED), SETTINGS, Workers(count), SystemClock())
    assert all(answer.exit_code == 0 for answer in found.answers)
    return (time.perf_counter() - began) / _MODELS


def _overhead() -> float:
    """Seconds a task of no work at all, the processes once started."""
    ended = run_tasks(abs, range(_TASKS), Workers(1))
    next(ended)
    began = time.perf_counter()
    count = sum(1 for _ in ended)
    return (time.perf_counter() - began) / count


def _bytes(round_: Path) -> int:
    judge = partial(judge_member, learned=LEARNED, settings=SETTINGS, clock=SystemClock())
    return len(pickle.dumps((judge, read_members(round_).members[0])))


if __name__ == "__main__":
    main()
