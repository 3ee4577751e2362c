"""How the process that children are forked from is started: forked from this one where that is safe, else anew.

A fork takes milliseconds, but copies only the thread that forks: locks that others hold stay locked for ever. So this
process is only forked as long as it has one thread, and before torch is there, which would make it large.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from detector.sandbox.job import Job
from detector.sandbox.nursery import serve

_LARGE = "torch"
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_CODE = "import sys; sys.path[:] = {path!r}; from detector.sandbox.nursery import main; main(sys.argv[1:])"


@dataclass(frozen=True)
class Nursery:
    """The process, by its number, the socket that it is told on, and how to wait for its end."""

    process: int
    control: socket.socket
    wait: Callable[[], object]

    def close(self) -> None:
        """End it."""
        self.control.close()
        with contextlib.suppress(ChildProcessError):
            self.wait()


def start_nursery(jobs: Sequence[Job]) -> Nursery:
    """Start it; OSError where there is no process to be had."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        with theirs:
            return (_forked if _may_fork() else _anew)(jobs, ours, theirs)
    except OSError:
        ours.close()
        raise


def _may_fork() -> bool:
    return threading.active_count() == 1 and _LARGE not in sys.modules


def _forked(jobs: Sequence[Job], ours: socket.socket, theirs: socket.socket) -> Nursery:
    process = os.fork()
    if process == 0:
        try:
            ours.close()
            serve(theirs, {job.name: job for job in jobs})
        finally:
            os._exit(1)
    return Nursery(process, ours, lambda: os.waitpid(process, 0))


def _anew(jobs: Sequence[Job], ours: socket.socket, theirs: socket.socket) -> Nursery:
    """By the interpreter that runs this, with the same modules in reach and nothing else of its surroundings."""
    code = _CODE.format(path=[str(Path(place).absolute()) for place in sys.path])
    words = [sys.executable, "-I", "-S", "-c", code, str(theirs.fileno()), *map(_place, jobs)]
    if not sys.executable:
        raise OSError(0, "there is no Python interpreter to start")
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(
        words,
        stdin=nowhere,
        stdout=nowhere,
        stderr=nowhere,
        pass_fds=[theirs.fileno()],
        env=os.environ | _ONE_THREAD,
    )
    return Nursery(process.pid, ours, process.wait)


def _place(job: Job) -> str:
    """Where another process finds the job: by its name in the module that its functions are of."""
    module = sys.modules[job.serve.__module__]
    return f"{module.__name__}:{next(name for name, value in vars(module).items() if value is job)}"
