"""Reads a model file from disk, once: what is checked later is exactly what was read here, whatever the path says then.

Trusts the operating system, not the path: only a regular file is read, a FIFO cannot block, a huge file is refused
before a byte of it is read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from detector.base.errors import CorruptModelError
from detector.base.limits import ModelFileLimits
from detector.model_file.container import LONGEST_START, identify
from detector.model_file.refusals import corrupt, over_limit
from detector.sandbox.shared import SharedBytes, share_bytes, share_file


@dataclass(frozen=True)
class SavedModel:
    """A model file that is in memory already: its content, as untrusted as any, and the name that it is told by."""

    name: str
    content: bytes = field(repr=False)

    def __str__(self) -> str:
        """As errors name it."""
        return self.name


def read_bytes(source: Path | SavedModel, limits: ModelFileLimits) -> bytes:
    """The whole content of the regular file at a path (symbolic links to one are followed), or of a saved model.

    Raises
    ------
    CorruptModelError
        If it cannot be opened, is not a regular file, is none that `identify` knows by its first bytes, or changes
        its size while being read.
    UnsafeModelError
        If it is larger than `limits.file_bytes`.
    """
    if isinstance(source, SavedModel):
        _check_size(len(source.content), limits)
        return source.content
    with _regular(source, limits) as (file, size):
        return _whole(file.read(size + 1), size)


def share(source: Path | SavedModel, limits: ModelFileLimits) -> SharedBytes:
    """The same, where a child process can see it, too; errors as of `read_bytes`."""
    try:
        if isinstance(source, SavedModel):
            _check_size(len(source.content), limits)
            identify(memoryview(source.content)[:LONGEST_START])
            return share_bytes(source.content)
        with _regular(source, limits) as (file, size):
            return _whole_shared(share_file(file.fileno(), size + 1), size)
    except OSError as error:
        raise corrupt(f"cannot be read ({error})", "file", "a readable file") from error


@contextmanager
def _regular(source: Path, limits: ModelFileLimits) -> Iterator[tuple[BinaryIO, int]]:
    """The open file, at its beginning, and its size in bytes."""
    try:
        # Opening a FIFO would wait for its writer, hence O_NONBLOCK; on a regular file it changes nothing.
        descriptor = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = getattr(error, "strerror", None) or error
        next_step = "check the path of the model file"
        raise corrupt(f"cannot be opened ({reason})", "file", "a readable file at this path", next_step) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise corrupt("not a regular file", "file", "a file saved by torch.save")
        _check_size(status.st_size, limits)
        with open(descriptor, "rb", closefd=False) as file:
            identify(memoryview(file.read(LONGEST_START)))  # an unknown file of a gigabyte is not read to be refused
            file.seek(0)
            yield file, status.st_size
    except OSError as error:
        raise corrupt(f"cannot be read ({error})", "file", "a readable file") from error
    finally:
        os.close(descriptor)


def _whole(content: bytes, size: int) -> bytes:
    if len(content) != size:
        raise _changed(size)
    return content


def _whole_shared(shared: SharedBytes, size: int) -> SharedBytes:
    if len(shared.content) != size:
        shared.close()
        raise _changed(size)
    return shared


def _changed(size: int) -> CorruptModelError:
    return corrupt("its size changed while it was read", "file", f"{size} bytes")


def _check_size(size: int, limits: ModelFileLimits) -> None:
    if size > limits.file_bytes:
        raise over_limit(f"bytes ({size})", "file", limits.file_bytes)
