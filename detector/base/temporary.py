"""Folders for the time of a run, beside its results: a container may have no other writable place.

A process that is killed leaves its folder behind; the next one removes it. Who is alive is told by a lock on the
folder, which the kernel gives back when its holder ends, however that happens and in whatever container it was. What
lies in the folders is never read here, and links are not followed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def run_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder in `parent`, removed in the end; those of the same prefix whose process is dead are removed first.

    Raises
    ------
    OSError
        There can be none.
    """
    remove_abandoned(parent, prefix)
    folder, lock = _locked(parent, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def remove_abandoned(parent: Path, prefix: str) -> None:
    """Remove the folders of `run_folder` that no process holds any more, as far as that may be done."""
    for folder in parent.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):  # no folder, still held, gone meanwhile, or no file system with locks
            descriptor = os.open(folder, _OPEN)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)


def _locked(parent: Path, prefix: str) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
        descriptor = os.open(folder, _OPEN)
        with contextlib.suppress(OSError):  # without locks nobody removes it, either
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if folder.exists():  # else somebody has taken it for abandoned between these two steps
            return folder, descriptor
        os.close(descriptor)
