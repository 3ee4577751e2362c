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
from pathlib import Path

from detector.base.limits import ChildLimits
from detector.sandbox.seccomp import allow_computing_only

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


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
