"""The result file: one probability on its first line, always whole.

Test harnesses read that line whatever else happens, so at every moment, even when the process is killed, the file is
absent, holds its old line, or holds the new one. The path comes from the caller and is trusted; the state of the disk
is not.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path

from detector.base.errors import UsageError

NEUTRAL = 0.5  # what TrojAI's harness assumes for a missing answer: wrong by as much either way

# The directory, not the file, forbids a replacement: a bind-mounted file is a mount point (EBUSY, EXDEV), and in
# read-only, foreign or sticky directories only the file itself can be written.
_NO_REPLACEMENT = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.EXDEV})


def write_probability(path: Path, probability: float) -> None:
    """Write `probability` as the one line of the result file at `path`.

    `float()` of the line gives back the same number. Missing parent directories are created.

    Raises
    ------
    ValueError
        The number is not in [0, 1]: never the user's fault.
    UsageError
        The file cannot be written there.
    """
    if not 0 <= probability <= 1:  # false for NaN too
        raise ValueError(f"expected a probability in [0, 1], got {probability}")
    write_file(path, f"{float(probability)!r}\n".encode())


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
    temporary = target.parent / f".{secrets.token_hex(8)}.tmp"
    # 0o666 less the umask, as any program's output: whoever reads the answer may be another user.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
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
