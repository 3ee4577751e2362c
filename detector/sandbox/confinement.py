"""What a process gives up before it reads what others have written: memory, time, files, processes, system calls.

The limits hold on every Unix; that root ignores the number of processes is made up for by the filter of system calls
where the kernel has one, and by the number of open files, for a process that cannot have a pipe or a socket has nobody
to talk to.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from dataclasses import dataclass
from pathlib import Path

from detector.sandbox.seccomp import allow_computing_only

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


@dataclass(frozen=True)
class ChildLimits:
    """What a child that reads one file, or the images of one folder, may use, a reason each."""

    memory_bytes: int = 2 << 30  # beside the file: in double precision VGG-19 becomes 0.6 GB in single; Pillow 0.1 GB
    cpu_seconds: int = 30  # what is read within all other limits takes 5 s on a slow machine
    header_bytes: int = 48 << 20  # of an answer: 4 MB of text at most (of a model's attributes), six bytes a letter
    wall_seconds: float = 600.0  # without an answer: a machine where 30 s of work take longer answers nothing in time


def confine(limits: ChildLimits) -> str | None:
    """Give all of it up, for good; what the kernel could not take away, where there is something."""
    _libc_prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    mapped = _mapped_bytes()
    if mapped is not None:
        _limit(resource.RLIMIT_AS, mapped + limits.memory_bytes)
    _limit(resource.RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds + 1)
    for nothing in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE):
        _limit(nothing, 0)
    return allow_computing_only()


def _limit(which: int, soft: int, hard: int | None = None) -> None:
    """Set a limit, never above the one that holds already."""
    ceiling = resource.getrlimit(which)[1]
    hard = soft if hard is None else hard
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), min(hard, ceiling)
    resource.setrlimit(which, (soft, hard))


def _mapped_bytes() -> int | None:
    """The address space that this process has by now, None where the kernel does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _libc_prctl(option: int, value: int) -> None:
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(option, value, 0, 0, 0)
