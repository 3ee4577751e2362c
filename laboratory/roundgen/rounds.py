"""Makes whole rounds in parallel workers, resumable at any moment.

A model's folder appears under its name only when it is complete; a killed run loses at most the models in hand, and
the next run carries on with what is missing. Finished folders are trusted and left alone.
"""

from __future__ import annotations

import multiprocessing
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from laboratory.roundgen.layout import write_model
from laboratory.roundgen.metadata import write_metadata
from laboratory.roundgen.presets import Job, start_recipe
from laboratory.roundgen.recipe import Recipe
from laboratory.roundgen.training import Weights, train, train_until_accepted

_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Progress:
    """Where the training of one model stands: `step` of `steps` in its try number `number`."""

    name: str
    number: int
    step: int
    steps: int


@dataclass(frozen=True)
class Start:
    """A network to start from, made before the models that need it."""

    architecture: str
    number: int

    @property
    def name(self) -> str:
        """What progress calls it."""
        return f"start-{self.number}"

    @property
    def recipe(self) -> Recipe:
        """How it is trained."""
        return start_recipe(self.architecture, self.number)


Task = Job | Start
_T = TypeVar("_T", bound=Job | Start)


def path_of(task: Task, folder: Path) -> Path:
    """Where the finished task is found."""
    return folder / task.name if isinstance(task, Job) else folder / "starts" / f"{task.architecture}-{task.number}.npz"


def make_model(job: Job, folder: Path, report: Callable[[Progress], None], device: str = "cpu") -> None:
    """Trains the model of `job` and puts its finished folder into `folder`; does nothing if it is there already.

    The network that it starts from, if any, must be there.
    """
    finished = path_of(job, folder)
    if finished.exists():
        return
    unfinished = folder / f".unfinished-{job.name}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    recipe, begin = job.recipe, time.monotonic()
    start = None
    if recipe.start is not None:
        start = read_start(Start(recipe.architecture, recipe.start), folder)
    trained = train_until_accepted(recipe, job.bar, lambda *counts: report(Progress(job.name, *counts)), device, start)
    write_model(unfinished, recipe, trained, time.monotonic() - begin)
    unfinished.rename(finished)


def make_start(start: Start, folder: Path, report: Callable[[Progress], None], device: str = "cpu") -> None:
    """Trains a network to start from and keeps its weights; does nothing if it is there already."""
    finished = path_of(start, folder)
    if finished.exists():
        return
    finished.parent.mkdir(parents=True, exist_ok=True)
    network, _ = train(start.recipe, 1, lambda *counts: report(Progress(start.name, 1, *counts)), device)
    unfinished = finished.with_suffix(".unfinished")
    with unfinished.open("wb") as file:
        np.savez(file, **{name: weight.numpy() for name, weight in network.cpu().state_dict().items()})
    unfinished.rename(finished)


def read_start(start: Start, folder: Path) -> Weights:
    """The weights of a finished network to start from: plain arrays, nothing is unpickled."""
    with np.load(path_of(start, folder), allow_pickle=False) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def make_round(
    jobs: Sequence[Job], folder: Path, workers: int, watch: Callable[[Progress | None], None], device: str = "cpu"
) -> tuple[str, ...]:
    """Makes the missing models of `jobs`, `workers` at a time, each in a process of its own with one thread.

    Networks to start from come first. `watch` is called twice a second or more often, with what a worker reported or
    None. Returns the names of what failed (its worker has written its traceback to stderr); the others are complete.
    Any exception, Ctrl-C included, ends the workers before it leaves.
    """
    numbered = [(job.recipe.architecture, job.recipe.start) for job in _missing(jobs, folder)]
    starts = [Start(name, number) for name, number in dict.fromkeys(numbered) if number is not None]
    try:
        failed = _make(starts, folder, workers, watch, device)
        return failed or _make(jobs, folder, workers, watch, device)
    finally:
        if folder.exists():
            write_metadata(folder)


def _missing(tasks: Sequence[_T], folder: Path) -> list[_T]:
    return [task for task in tasks if not path_of(task, folder).exists()]


def _make(
    tasks: Sequence[Task], folder: Path, workers: int, watch: Callable[[Progress | None], None], device: str
) -> tuple[str, ...]:
    waiting = _missing(tasks, folder)
    running: list[_Worker] = []
    failed: list[str] = []
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                running.append(_start(waiting.pop(0), folder, device))
            ready = wait([worker.reports for worker in running], _POLL_SECONDS)
            for worker in [worker for worker in running if worker.reports in ready]:
                progress = _receive(worker.reports)
                watch(progress)
                if progress is None:
                    running.remove(worker)
                    failed += [worker.name] * _end(worker)
            watch(None)
    finally:
        for worker in running:
            worker.process.terminate()
            worker.process.join()
    return tuple(failed)


@dataclass(frozen=True)
class _Worker:
    """A process that does one task, and our end of the pipe that it reports through."""

    name: str
    process: SpawnProcess
    reports: Connection


def _start(task: Task, folder: Path, device: str) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(task, folder, device, theirs), daemon=True)
    process.start()
    theirs.close()  # so that the pipe ends with the worker, and the worker's next report fails when we are gone
    return _Worker(task.name, process, ours)


def _receive(reports: Connection) -> Progress | None:
    """The next report, None when the worker has ended (OSError: in the middle of one)."""
    try:
        progress: Progress = reports.recv()
    except (EOFError, OSError):
        return None
    return progress


def _end(worker: _Worker) -> bool:
    """Waits for a worker that has closed its pipe; whether it failed."""
    worker.process.join()
    worker.reports.close()
    return worker.process.exitcode != 0


def _work(task: Task, folder: Path, device: str, reports: Connection) -> None:
    """Body of a worker process. Ctrl-C reaches the whole process group, but it is the parent that ends workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    if isinstance(task, Job):
        make_model(task, folder, reports.send, device)
    else:
        make_start(task, folder, reports.send, device)
