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

import torch

from detector.roundgen.layout import write_model
from detector.roundgen.metadata import write_metadata
from detector.roundgen.presets import Job
from detector.roundgen.training import train_until_accepted

_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Progress:
    """Where the training of one model stands: `step` of `steps` in its try number `number`."""

    name: str
    number: int
    step: int
    steps: int


def make_model(job: Job, folder: Path, report: Callable[[Progress], None], device: str = "cpu") -> None:
    """Trains the model of `job` and puts its finished folder into `folder`; does nothing if it is there already."""
    finished = folder / job.name
    if finished.exists():
        return
    unfinished = folder / f".unfinished-{job.name}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    start = time.monotonic()
    trained = train_until_accepted(job.recipe, job.bar, lambda *counts: report(Progress(job.name, *counts)), device)
    write_model(unfinished, job.recipe, trained, time.monotonic() - start)
    unfinished.rename(finished)


def make_round(
    jobs: Sequence[Job], folder: Path, workers: int, watch: Callable[[Progress | None], None], device: str = "cpu"
) -> tuple[str, ...]:
    """Makes the missing models of `jobs`, `workers` at a time, each in a process of its own with one thread.

    `watch` is called twice a second or more often, with what a worker reported or None. Returns the names of models
    whose worker failed (it has written its traceback to stderr); the others are complete. Any exception, Ctrl-C
    included, ends the workers before it leaves.
    """
    waiting = [job for job in jobs if not (folder / job.name).exists()]
    running: dict[str, _Worker] = {}
    failed: list[str] = []
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                job = waiting.pop(0)
                running[job.name] = _start(job, folder, device)
            ready = wait([worker.reports for worker in running.values()], _POLL_SECONDS)
            for name, worker in [item for item in running.items() if item[1].reports in ready]:
                progress = _receive(worker.reports)
                watch(progress)
                if progress is None and _end(running.pop(name)):
                    failed.append(name)
            watch(None)
    finally:
        for worker in running.values():
            worker.process.terminate()
            worker.process.join()
        if folder.exists():
            write_metadata(folder)
    return tuple(failed)


@dataclass(frozen=True)
class _Worker:
    """A process that makes one model, and our end of the pipe that it reports through."""

    process: SpawnProcess
    reports: Connection


def _start(job: Job, folder: Path, device: str) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(job, folder, device, theirs), daemon=True)
    process.start()
    theirs.close()  # so that the pipe ends with the worker, and the worker's next report fails when we are gone
    return _Worker(process, ours)


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


def _work(job: Job, folder: Path, device: str, reports: Connection) -> None:
    """Body of a worker process. Ctrl-C reaches the whole process group, but it is the parent that ends workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    make_model(job, folder, reports.send, device)
