"""Makes whole rounds in parallel workers, resumable at any moment.

A model's folder appears under its name only when it is complete; a killed run loses at most the models in hand, and
the next run carries on with what is missing. Finished folders are trusted and left alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from detector.base.files import write_file
from detector.base.pool import Died, run_tasks
from detector.base.workers import Workers
from laboratory.roundgen.layout import recipe_config, write_model
from laboratory.roundgen.metadata import write_metadata
from laboratory.roundgen.presets import Job, start_recipe
from laboratory.roundgen.recipe import Recipe
from laboratory.roundgen.reports import Progress, Reporter, Reports
from laboratory.roundgen.training import Trained, Weights, recipe_as_trained, train, train_until_accepted
from laboratory.roundgen.varied import varied_start_recipe


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
    workers: Workers,
    watch: Callable[[Progress | None], None],
    device: str = "cpu",
    starts: Path | None = None,
) -> tuple[str, ...]:
    """Makes the missing models of `jobs` in the processes of `workers`, each with one thread.

    Networks to start from come before the models; `starts` is the folder that several rounds share theirs in. The
    workers of a cluster see the same folders. `watch` is called about twice a second with where a model stands,
    or None.
    Returns the names of what failed (its worker has written its traceback to stderr); the others are complete, or
    dropped where a bar is strict. Any exception, Ctrl-C included, ends the workers before it leaves.
    """
    folder, shared = folder.absolute(), starts.absolute() if starts else None
    try:
        return _make(_with_starts(jobs, folder, shared), _Site(folder, shared, device), workers, watch)
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
    tasks: Sequence[Task], site: _Site, workers: Workers, watch: Callable[[Progress | None], None]
) -> tuple[str, ...]:
    phases: tuple[list[Task], list[Task]] = (
        [task for task in tasks if isinstance(task, Start)],
        [task for task in tasks if isinstance(task, Job)],
    )
    failed: list[str] = []
    with Reports.watched(site.folder, watch) as reports:
        for phase in phases:
            with contextlib.closing(run_tasks(partial(_work, site=site), phase, workers)) as ended:
                for one in ended:
                    failed += [one.task.name] * (isinstance(one, Died) or not one.result)
                    reports.tell(one.task.name)
                    write_metadata(site.folder)
    return tuple(failed)


def _work(task: Task, site: _Site) -> bool:
    """In a worker process: whether it was made; what went wrong goes to stderr, and costs the others nothing."""
    torch.set_num_threads(1)
    report = Reporter(site.folder)
    try:
        if isinstance(task, Job):
            make_model(task, site.folder, report, site.device, site.starts)
        else:
            make_start(task, site.folder, report, site.device, site.starts)
    except Exception:  # whatever it is, the round goes on without this model, which is named
        traceback.print_exc()
        return False
    return True
