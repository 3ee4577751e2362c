"""Tasks in processes of this machine.

The processes are loky's, as joblib brings it along. joblib's own `Parallel` is not used: it ends everything at the
first process that dies, and runs a single worker in the caller's process, which a hostile model must not take down.

Tasks and results are this program's own and travel pickled between its own processes, never to or from a file. Whatever
a worker sets up is set up for speed alone: results do not depend on how many there are.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from joblib.externals.loky import ProcessPoolExecutor

from detector.base.tasks import Died, Done, prepare_process

_T = TypeVar("_T")
_R = TypeVar("_R")

_LOOK_SECONDS = 0.5  # how often a worker looks whether its parent is still there


def run_in_processes(
    work: Callable[[_T], _R], tasks: Sequence[_T], workers: int
) -> Generator[Done[_T, _R] | Died[_T], None, None]:
    """Do `work` on every task, `workers` at a time, each in a process with one thread; in the order in which they end.

    When a process dies (killed, out of memory), every task that was in hand is tried once more, alone, so that it is
    known which of them it was. An exception of `work` is the caller's, and ends the workers, as Ctrl-C does.
    """
    suspects: list[_T] = []
    waiting = list(tasks)
    while waiting:
        with _Processes(min(workers, len(waiting))) as processes:
            for task, future in processes.take(work, waiting):
                if _has_died(future):
                    suspects.append(task)
                else:
                    yield Done(task, future.result())
    for task in suspects:
        yield _alone(work, task)


def _alone(work: Callable[[_T], _R], task: _T) -> Done[_T, _R] | Died[_T]:
    with _Processes(1) as processes:
        ((_, future),) = processes.take(work, [task])
        return Died(task) if _has_died(future) else Done(task, future.result())


def _has_died(future: Future[_R]) -> bool:
    return isinstance(future.exception(), BrokenProcessPool)


class _Processes:
    """A set of worker processes, for as long as none of them dies."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._executor = ProcessPoolExecutor(count, initializer=_start_worker, initargs=(os.getpid(),))

    def __enter__(self) -> _Processes:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._executor.shutdown(wait=True, kill_workers=kind is not None)

    def take(self, work: Callable[[_T], _R], waiting: list[_T]) -> Iterator[tuple[_T, Future[_R]]]:
        """Tasks off the list of those that wait, with their futures as they end; after a death no more are taken.

        As many as there are processes are in hand, so that a death leaves few to suspect.
        """
        running: dict[Future[_R], _T] = {}
        broken = False
        while running or (waiting and not broken):
            while waiting and not broken and len(running) < self._count:
                try:
                    running[self._executor.submit(work, waiting[0])] = waiting[0]
                    del waiting[0]
                except BrokenProcessPool:
                    broken = True
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                broken = broken or _has_died(future)
                yield running.pop(future), future


def _start_worker(parent: int) -> None:
    """Ctrl-C reaches the whole process group, but it is the parent that ends workers; without one they end too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    prepare_process()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os._exit(1)
