"""Bytes that two processes see and neither can change: a file without a name (memfd), sealed.

What is judged is what was read once, whatever becomes of the file on disk, and whatever the child that parses it does.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from dataclasses import dataclass, field

_AT_ONCE = 1 << 26  # bytes copied in one call


@dataclass(frozen=True)
class SharedBytes:
    """The content, mapped read-only, and the descriptor to hand over; `close` gives up the latter alone."""

    content: memoryview = field(repr=False)
    descriptor: int

    def close(self) -> None:
        """What is mapped stays as long as anything looks at it."""
        os.close(self.descriptor)


def share_file(source: int, size: int) -> SharedBytes:
    """The first `size` > 0 bytes of the open file `source`, fewer where it ends before.

    Raises
    ------
    OSError
        The file cannot be read, or there is no memory.
    """
    descriptor = _unnamed()
    try:
        copied = 0
        while copied < size:
            count = os.sendfile(descriptor, source, copied, min(size - copied, _AT_ONCE))
            if count == 0:
                break
            copied += count
        return _sealed(descriptor)
    except BaseException:
        os.close(descriptor)
        raise


def share_bytes(content: bytes) -> SharedBytes:
    """A copy of the content, which is not empty; OSError where there is no memory."""
    descriptor = _unnamed()
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest[:_AT_ONCE]) :]
        return _sealed(descriptor)
    except BaseException:
        os.close(descriptor)
        raise


def _unnamed() -> int:
    return os.memfd_create("model", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)


def _sealed(descriptor: int) -> SharedBytes:
    fcntl.fcntl(
        descriptor,
        fcntl.F_ADD_SEALS,
        fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL,
    )
    return SharedBytes(memoryview(mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)), descriptor)
