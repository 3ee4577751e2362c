"""Makes whole rounds in parallel workers, resumable at any moment.

A model's folder appears under its name only when it is complete; a killed run loses at most the models in hand, and
the next run carries on with what is missing. Finished folders are trusted and left alone.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

import numpy as np
import torch

from detector.base.files import write_file
from laboratory.roundgen.layout import recipe_config, write_model
from laboratory.roundgen.metadata import write_metadata
from laboratory.roundgen.presets import Job, start_recipe
from laboratory.roundgen.recipe import Recipe
from laboratory.roundgen.training import Trained, Weights, recipe_as_trained, train, train_until_accepted
from laboratory.roundgen.varied import varied_start_recipe

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
    varied: bool = False

    @property
    def name(self) -> str:
        """What progress calls it."""
        return f"start-{self.number}"

    @property
    def file_name(self) -> str:
        """What its file is called."""
        return f"{'varied-' * self.varied}{self.architecture}-{self.number}.npz"

    @property
    def recipe(self) -> Recipe:
        """How it is trained."""
        return (varied_start_recipe if self.varied else start_recipe)(self.architecture, self.number)


Task = Job | Start


def path_of(task: Task, folder: Path, starts: Path | None = None) -> Path:
    """Where the finished task is found; `starts`: the folder of networks to start from, if not in the round's own."""
    return folder / task.name if isinstance(task, Job) else (starts or folder / "starts") / task.file_name


def dropped_path(job: Job, folder: Path) -> Path:
    """What a model leaves that did not reach a strict bar: a note instead of a folder."""
    return folder / "dropped" / f"{job.name}.json"


def is_done(task: Task, folder: Path, starts: Path | None = None) -> bool:
    """Whether there is nothing left to do: finished, or dropped for good."""
    dropped = isinstance(task, Job) and dropped_path(task, folder).exists()
    return dropped or path_of(task, folder, starts).exists()


def make_model(
    job: Job, folder: Path, report: Callable[[Progress], None], device: str = "cpu", starts: Path | None = None
) -> None:
    """Trains the model of `job` and puts its finished folder into `folder`; does nothing if it is there already.

    The network that it starts from, if any, must be there. A model that does not reach a strict bar leaves a note.
    """
    if is_done(job, folder):
        return
    unfinished = folder / f".unfinished-{job.name}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    recipe, begin = job.recipe, time.monotonic()
    start = None
    if recipe.start is not None:
        start = read_start(_start_of(recipe, recipe.start), folder, starts)
    trained = train_until_accepted(recipe, job.bar, lambda *counts: report(Progress(job.name, *counts)), device, start)
    if job.bar.strict and not trained.converged:
        _drop(job, folder, trained, time.monotonic() - begin)
        unfinished.rmdir()
        return
    write_model(unfinished, recipe_as_trained(recipe, trained.tries), trained, time.monotonic() - begin)
    unfinished.rename(path_of(job, folder))


def _start_of(recipe: Recipe, number: int) -> Start:
    return Start(recipe.architecture, number, varied=recipe.variety is not None)


def _drop(job: Job, folder: Path, trained: Trained, seconds: float) -> None:
    """Notes what was tried and how far it came."""
    recipe, scores = recipe_as_trained(job.recipe, trained.tries), asdict(trained.scores)
    note = recipe_config(recipe) | {f"reached_{name}": value for name, value in scores.items()}
    path = dropped_path(job, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    note |= {"number_training_tries": trained.tries, "training_wall_time_sec": round(seconds, 1)}
    write_file(path, (json.dumps(note, indent=2) + "\n").encode())


def make_start(
    start: Start, folder: Path, report: Callable[[Progress], None], device: str = "cpu", starts: Path | None = None
) -> None:
    """Trains a network to start from and keeps its weights; does nothing if it is there already."""
    finished = path_of(start, folder, starts)
    if finished.exists():
        return
    finished.parent.mkdir(parents=True, exist_ok=True)
    network, _ = train(start.recipe, 1, lambda *counts: report(Progress(start.name, 1, *counts)), device)
    unfinished = finished.with_suffix(f".unfinished-{os.getpid()}")  # two rounds may make the same one
    with unfinished.open("wb") as file:
        np.savez(file, **{name: weight.numpy() for name, weight in network.cpu().state_dict().items()})
    unfinished.rename(finished)


def read_start(start: Start, folder: Path, starts: Path | None = None) -> Weights:
    """The weights of a finished network to start from: plain arrays, nothing is unpickled."""
    with np.load(path_of(start, folder, starts), allow_pickle=False) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def make_round(
    jobs: Sequence[Job],
    folder: Path,
    workers: int,
    watch: Callable[[Progress | None], None],
    device: str = "cpu",
    starts: Path | None = None,
) -> tuple[str, ...]:
    """Makes the missing models of `jobs`, `workers` at a time, each in a process of its own with one thread.

    A network to start from comes right before the first model that needs it; `starts` is the folder that several
    rounds share theirs in. `watch` is called twice a second or more often, with what a worker reported or None.
    Returns the names of what failed (its worker has written its traceback to stderr); the others are complete, or
    dropped where a bar is strict. Any exception, Ctrl-C included, ends the workers before it leaves.
    """
    try:
        return _make(_with_starts(jobs, folder, starts), _Site(folder, starts, device), workers, watch)
    finally:
        if folder.exists():
            write_metadata(folder)


def _with_starts(jobs: Sequence[Job], folder: Path, starts: Path | None) -> list[Task]:
    """What is missing, every network to start from before the first model that needs it."""
    tasks: dict[Task, None] = {}
    for job in jobs:
        if is_done(job, folder):
            continue
        if job.recipe.start is not None:
            start = _start_of(job.recipe, job.recipe.start)
            if not is_done(start, folder, starts):
                tasks[start] = None
        tasks[job] = None
    return list(tasks)


@dataclass(frozen=True)
class _Site:
    """Where tasks are done: the round's folder, that of shared starts, and the device."""

    folder: Path
    starts: Path | None
    device: str


def _make(
    tasks: Sequence[Task], site: _Site, workers: int, watch: Callable[[Progress | None], None]
) -> tuple[str, ...]:
    waiting = list(tasks)
    running: list[_Worker] = []
    failed: list[str] = []
    try:
        while waiting or running:
            while len(running) < workers and (task := _next(waiting, running)):
                waiting.remove(task)
                running.append(_start(task, site))
            ready = wait([worker.reports for worker in running], _POLL_SECONDS)
            for worker in [worker for worker in running if worker.reports in ready]:
                progress = _receive(worker.reports)
                watch(progress)
                if progress is None:
                    running.remove(worker)
                    failed += [worker.task.name] * _end(worker)
                    write_metadata(site.folder)
            watch(None)
    finally:
        for worker in running:
            worker.process.terminate()
            worker.process.join()
    return tuple(failed)


def _next(waiting: Sequence[Task], running: Sequence[_Worker]) -> Task | None:
    """The first task whose network to start from is not in training just now."""
    in_training = {worker.task for worker in running}
    for task in waiting:
        number = task.recipe.start if isinstance(task, Job) else None
        if number is None or _start_of(task.recipe, number) not in in_training:
            return task
    return None


@dataclass(frozen=True)
class _Worker:
    """A process that does one task, and our end of the pipe that it reports through."""

    task: Task
    process: SpawnProcess
    reports: Connection


def _start(task: Task, site: _Site) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(task, site, theirs), daemon=True)
    process.start()
    theirs.close()  # so that the pipe ends with the worker, and the worker's next report fails when we are gone
    return _Worker(task, process, ours)


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


def _work(task: Task, site: _Site, reports: Connection) -> None:
    """Body of a worker process. Ctrl-C reaches the whole process group, but it is the parent that ends workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    if isinstance(task, Job):
        make_model(task, site.folder, reports.send, site.device, site.starts)
    else:
        make_start(task, site.folder, reports.send, site.device, site.starts)
