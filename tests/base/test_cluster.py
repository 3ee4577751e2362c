"""Tasks on a dask cluster: a scheduler and workers as processes of their own, over TCP on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from detector.base import cluster as module
from detector.base.cluster import run_on_cluster
from detector.base.errors import UsageError
from detector.base.tasks import Died, Done
from detector.base.workers import Backend, Workers

HOME = Path(__file__).resolve().parents[2]


class Cluster:
    """A scheduler, and workers with one thread each; a worker that dies is not replaced."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "scheduler.json"
        self._processes: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-show")

    def _start(self, what: str, *options: str) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-m", "dask", what, "--scheduler-file", str(self._file), "--no-dashboard", *options]
        environment = {**os.environ, "PYTHONPATH": str(HOME), "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(
            words, cwd=HOME, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._processes.append(process)
        return process

    def add_worker(self) -> subprocess.Popen[bytes]:
        return self._start("worker", "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1", "--death-timeout", "600")

    @property
    def workers(self) -> Workers:

        wait_until(lambda: self._file.exists() and self._file.stat().st_size > 0)
        return Workers(1, Backend.DASK, json.loads(self._file.read_text())["address"])

    def end(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    started = Cluster(tmp_path)
    try:
        yield started
    finally:
        started.end()


def wait_until(condition: Callable[[], bool], seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def square(number: int, folder: Path) -> int:
    """Leaves a file that says which process does it, and waits until the test lets it go."""
    (folder / f"{number}-{os.getpid()}").touch()
    while not (folder / "go").exists():
        time.sleep(0.05)
    return number * number


def in_hand(folder: Path) -> set[int]:
    """The processes that have begun a task."""
    return {int(path.name.split("-")[1]) for path in folder.glob("*-*")}


class Running(threading.Thread):
    """`square` of 12 numbers on the cluster, beside the test."""

    def __init__(self, workers: Workers, folder: Path) -> None:
        super().__init__(daemon=True)
        self.workers, self.folder = workers, folder
        self.ended: list[Done[int, int] | Died[int]] = []
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.ended += run_on_cluster(partial(square, folder=self.folder), range(12), self.workers)
        except Exception as error:
            self.error = error


@pytest.mark.slow
def test_a_worker_is_killed_and_another_one_comes_late(cluster: Cluster, tmp_path: Path) -> None:
    folder = tmp_path / "tasks"
    folder.mkdir()
    killed, other = cluster.add_worker(), cluster.add_worker()
    running = Running(cluster.workers, folder)
    running.start()
    wait_until(lambda: in_hand(folder) >= {killed.pid, other.pid})
    killed.kill()
    late = cluster.add_worker()
    wait_until(lambda: late.pid in in_hand(folder))
    (folder / "go").touch()
    running.join(600)
    assert running.error is None
    assert sorted(running.ended, key=lambda one: one.task) == [Done(number, number**2) for number in range(12)]


@pytest.mark.slow
def test_a_scheduler_that_goes_away_is_told(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CONNECT_SECONDS", 60)
    folder = tmp_path / "tasks"
    folder.mkdir()
    cluster.add_worker()
    running = Running(cluster.workers, folder)
    running.start()
    wait_until(lambda: len(in_hand(folder)) == 1)
    cluster.scheduler.send_signal(signal.SIGKILL)
    running.join(600)
    assert not running.is_alive()
    assert isinstance(running.error, UsageError) and "went away" in str(running.error)


def test_a_scheduler_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CONNECT_SECONDS", 1)
    with pytest.raises(UsageError, match=r"tcp://127\.0\.0\.1:9: no scheduler can be reached"):
        list(run_on_cluster(abs, [1], Workers(1, Backend.DASK, "tcp://127.0.0.1:9")))


def test_without_dask_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"\[cluster\]"):
        list(run_on_cluster(abs, [1], Workers(2, Backend.DASK)))


def test_no_task_needs_no_cluster() -> None:
    assert list(run_on_cluster(abs, [], Workers(1, Backend.DASK, "tcp://127.0.0.1:9"))) == []


class Future:
    """As dask's, ended already."""

    def __init__(self, key: str, result: Any) -> None:
        self.key, self._result = key, result
        self.status = "error" if isinstance(result, Exception) else "finished"

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        callback(self)

    def exception(self, timeout: float) -> Exception | None:
        return self._result if isinstance(self._result, Exception) else None

    def result(self, timeout: float) -> Any:
        if isinstance(self._result, Exception):
            raise self._result
        return self._result


class Client:
    """Gives up tasks that are called so, as a scheduler does whose workers died of them."""

    status = "running"

    def __init__(self) -> None:
        self.submitted: list[str] = []

    def submit(self, wrapper: Any, work: Callable[[str], str], task: str, *, key: str, pure: bool) -> Future:
        from distributed.scheduler import KilledWorker

        self.submitted.append(task)
        dies = task == "dies" or (task == "dies once" and self.submitted.count(task) == 1)
        killed = KilledWorker(key, None, 3)  # type: ignore[arg-type]
        return Future(key, killed if dies else work(task))


def test_what_the_scheduler_gives_up_is_tried_once_more_after_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client()

    class Connected:
        def __enter__(self) -> Client:
            return client

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(module, "_connected", lambda workers: Connected())
    ended = list(run_on_cluster(str.upper, ["dies", "a", "dies once", "b"], Workers(1, Backend.DASK)))
    assert ended == [Done("a", "A"), Done("b", "B"), Died("dies"), Done("dies once", "DIES ONCE")]
    assert client.submitted == ["dies", "a", "dies once", "b", "dies", "dies once"]
