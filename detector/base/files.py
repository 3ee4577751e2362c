"""The doors through which files are read and written: regular files alone, read once and whole, written as a whole.

Reading trusts the operating system, not the path: what is no regular file (a FIFO would wait for its writer, /dev/zero
never ends) is refused before a byte of it is read, and so is one that is larger than what is read from it can be.
Symbolic links to regular files are followed. What the bytes say is for the caller to judge.

The result file holds one probability on its first line. Test harnesses read that line whatever else happens, so at
every moment, even when the process is killed, the file is absent, holds its old line, or holds the new one; and where
the new one cannot be written, on a full disk for instance, the old one, of another model, does not stay. The path comes
from the caller and is trusted; the state of the disk is not.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from detector.base.errors import UnreadableFileError, UsageError

NEUTRAL = 0.5  # what TrojAI's harness assumes for a missing answer: wrong by as much either way

_LONGEST_LINE = 32  # bytes; a double has up to 24 characters

# The directory, not the file, forbids a replacement: a bind-mounted file is a mount point (EBUSY, EXDEV), and in
# read-only, foreign or sticky directories only the file itself can be written.
_NO_REPLACEMENT = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.EXDEV})


def read_regular(path: Path, limit: int) -> bytes:
    """The whole content of the regular file at `path`, which may have `limit` bytes.

    Raises
    ------
    UnreadableFileError
        It cannot be opened, is no regular file, has more bytes, or loses some while it is read.
    """
    with _regular(path) as (file, size):
        if size > limit:
            raise _too_large(path, size, limit)
        content = file.read(limit + 1)  # not `size`, which is 0 in /proc and old where somebody is writing
    if len(content) > limit:
        raise _too_large(path, len(content), limit)
    if len(content) < size:
        raise _unreadable(path, f"cannot be read: its size changed meanwhile, from {size} to {len(content)} bytes")
    return content


def read_start(path: Path, count: int) -> bytes:
    """The first `count` bytes of the regular file at `path`, or all where there are fewer.

    Raises
    ------
    UnreadableFileError
        It cannot be opened or is no regular file.
    """
    with _regular(path) as (file, _):
        return file.read(count)


@contextmanager
def _regular(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """The open file and its size in bytes; what the system says against it becomes an UnreadableFileError."""
    try:
        # Opening a FIFO would wait for its writer, hence O_NONBLOCK; on a regular file it changes nothing.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise _unreadable(path, f"cannot be read: no regular file but {_kind(status.st_mode)}")
            with open(descriptor, "rb", closefd=False) as file:
                yield file, status.st_size
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise _unreadable(path, f"cannot be read ({getattr(error, 'strerror', None) or error})") from error


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _unreadable(path: Path, what: str) -> UnreadableFileError:
    return UnreadableFileError(
        what,
        where=path,
        expected="a regular file that this user may read, or a symbolic link to one",
        next_step="check the path and its permissions, or copy what a link points to (cp -L)",
    )


def _too_large(path: Path, size: int, limit: int) -> UnreadableFileError:
    return UnreadableFileError(
        f"cannot be read: more than {limit} bytes ({size})",
        where=path,
        expected=f"at most {limit} bytes",
        next_step="check that this is the right file",
    )


def write_probability(path: Path, probability: float) -> None:
    """Write `probability` as the one line of the result file at `path`.

    `float()` of the line gives back the same number. Missing parent directories are created. Where there is no room for
    a new file, the line is written over the old one, which takes none; where that fails too, the old one is removed.

    Raises
    ------
    ValueError
        The number is not in [0, 1]: never the user's fault.
    UsageError
        The file cannot be written there; the error says what is there now.
    """
    if not 0 <= probability <= 1:  # false for NaN too
        raise ValueError(f"expected a probability in [0, 1], got {probability}")
    line = _line(probability)
    _remove_abandoned(path)
    try:
        write_file(path, line)
    except UsageError as error:
        if not _over_the_old_line(path, line):
            raise UsageError(
                f"{error.what}; {_without_old_line(path)}",
                where=error.where,
                expected=error.expected,
                next_step=error.next_step,
            ) from error


def _remove_abandoned(path: Path) -> None:
    """Remove the unfinished files that killed writers of this file have left; those that are in use are locked."""
    with contextlib.suppress(OSError, RuntimeError):
        target = path.resolve()
        for unfinished in target.parent.glob(f"{_unfinished(target)}*.tmp"):
            with contextlib.suppress(OSError):
                descriptor = os.open(unfinished, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    unfinished.unlink()
                finally:
                    os.close(descriptor)


def _unfinished(target: Path) -> str:
    """How the names of unfinished files for the target begin; short, for its own name may be as long as any."""
    return f".{zlib.crc32(os.fsencode(target.name)):08x}-"


def _line(probability: float) -> bytes:
    return f"{float(probability)!r}\n".encode()


def _over_the_old_line(path: Path, line: bytes) -> bool:
    """Whether the line could be written over what is in the file."""
    with contextlib.suppress(OSError, RuntimeError):
        if _holds_an_answer(path):
            _overwrite(path.resolve(), line)
            return True
    return False


def _without_old_line(path: Path) -> str:
    """Remove an answer that must not stay, or empty its file where that is all that may be done; what is there now."""
    try:
        if not _holds_an_answer(path):
            return "nothing is there that could be taken for an answer"
        if path.read_bytes()[:_LONGEST_LINE] == _line(NEUTRAL):
            return f"{NEUTRAL} stands there"
        target = path.resolve()
        try:
            target.unlink()
        except OSError:  # its directory forbids that, or it is a mount point
            os.truncate(target, 0)
            return "the old answer is taken out of the file, which is empty now"
        return "the old answer is removed, no file is there now"
    except (OSError, RuntimeError):
        return "BEWARE: what was there before could not be removed, it is not this model's answer"


def _holds_an_answer(path: Path) -> bool:
    """Whether it is a file that is not empty: a pipe, a directory and the like hold none, and are left alone."""
    status = path.stat() if path.exists() else None
    return status is not None and stat.S_ISREG(status.st_mode) and status.st_size > 0


def write_file(path: Path, content: bytes) -> None:
    """Replace the file at `path` as a whole, durably; where only the file itself is writable, overwrite it in place.

    A symbolic link stays, and what it points to is replaced. In place, the content is written before the file is cut
    to length, so that a first line is never cut short by a kill.

    Raises
    ------
    UsageError
        The path is no regular file, or the system refuses to write it.
    """
    try:
        target = path.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():  # asked of the link, not of its target: only /dev/stdout itself knows the way to its pipe
            _require_regular(path)
        try:
            _replace(target, content)
        except OSError as error:
            if error.errno not in _NO_REPLACEMENT or not target.exists():
                raise
            _overwrite(target, content)
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of symbolic links, up to Python 3.12
        raise UsageError(
            f"cannot be written ({error})",
            where=path,
            expected="a regular file, or a free name in a writable directory",
            next_step="give a path that this user may write, or mount its directory writable",
        ) from error


def _require_regular(path: Path) -> None:
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise OSError(errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL, "it is not a regular file")


def _replace(target: Path, content: bytes) -> None:
    temporary = target.parent / f"{_unfinished(target)}{secrets.token_hex(8)}.tmp"
    # 0o666 less the umask, as any program's output: whoever reads the answer may be another user.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(target.parent)


def _overwrite(target: Path, content: bytes) -> None:
    with target.open("r+b") as file:
        file.write(content)
        file.flush()
        file.truncate(len(content))
        os.fsync(file.fileno())


def sync_directory(directory: Path) -> None:
    """Make renames in `directory` durable where the file system can; the files themselves are safe either way."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
