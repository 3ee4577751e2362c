"""What a process of ours asks of the system: how memory, threads and its end are handled. Nothing here is untrusted.

All of it is about speed, nothing about answers. Where the C library has no such setting, nothing happens.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # of glibc's malloc.h
_LARGEST = 2**31 - 1
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def use_one_thread_a_call() -> None:
    """Libraries for arrays shall not start threads of their own: ours share the CPUs, theirs would wait for each other.

    Call it before they are imported. What the caller has set in the environment stays.
    """
    for name in _THREADS:
        os.environ.setdefault(name, "1")


def keep_freed_memory() -> None:
    """From now on freed blocks are used again, from one pool for all threads. Call it before threads are started.

    The process stays as large as it ever was. Forward passes free and ask for large blocks all the time. By default
    each of them is mapped anew, and the kernel clears it page by page: a fifth of MobileNetV2's time.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in ((_M_ARENA_MAX, 1), (_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _LARGEST)):
            mallopt(option, value)


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """For imports: they make objects that stay, and the collector would look at them again and again, then and later.

    Importing torch takes a tenth less. Whatever else exists at the end is never collected either, so this is for the
    first import of something large, once in a process, and not for two threads at once.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def leave_deleted_directory() -> bool:
    """Whether the working directory has been deleted; if so, the process goes to the root: libraries fail elsewhere."""
    try:
        os.getcwd()  # noqa: PTH109 - what matters is whether it can be told
    except FileNotFoundError:
        os.chdir("/")
        return True
    return False


def leave(code: int) -> NoReturn:
    """End the process at once. Taking the interpreter down in order takes 0.4 s where torch is imported.

    Nothing may be left to do: no file open for writing, no child process. Threads are not waited for.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # a closed pipe, a closed or a missing stream
            stream.flush()
    os._exit(code)
