"""Tasks in processes of their own: every result comes, whoever dies."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from detector.base.pool import Died, Done
from detector.base.processes import run_in_processes


def work(task: str) -> str:
    """Do what the task says: double a number, fail, die always, or die the first time and leave a file about it."""
    what, _, rest = task.partition(":")
    if what == "fail":
        raise LookupError(rest)
    if what == "once" and not Path(rest).exists():
        Path(rest).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return f"{task} by {os.getpid()}"


def test_results_come_from_other_processes_and_each_worker_does_many() -> None:
    ended = list(run_in_processes(work, [f"{number}" for number in range(6)], 2))
    assert all(isinstance(one, Done) for one in ended)
    assert sorted(one.task for one in ended) == [f"{number}" for number in range(6)]
    workers = {one.result.split()[-1] for one in ended if isinstance(one, Done)}
    assert 1 <= len(workers) <= 2 and str(os.getpid()) not in workers


def test_no_task_is_no_process() -> None:
    assert list(run_in_processes(work, [], 4)) == []


def test_who_dies_twice_is_told_and_the_others_are_done(tmp_path: Path) -> None:
    tasks = ["a", "die:", "b", f"once:{tmp_path / 'died'}", "c"]
    ended = {one.task: one for one in run_in_processes(work, tasks, 2)}
    assert ended.keys() == set(tasks)
    assert [task for task, one in ended.items() if isinstance(one, Died)] == ["die:"]
    assert (tmp_path / "died").exists()


def test_an_exception_of_the_work_is_the_callers() -> None:
    with pytest.raises(LookupError, match="this one"):
        list(run_in_processes(work, ["fail:this one", "a", "b"], 2))


def test_results_stream() -> None:
    """The first one is there long before the last one."""
    began = time.monotonic()
    running = run_in_processes(time.sleep, [0.0, 3.0], 2)
    next(running)
    first = time.monotonic() - began
    list(running)
    assert time.monotonic() - began >= first + 1
