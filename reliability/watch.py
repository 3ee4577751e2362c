"""Sees what Python code does to the system: modules, processes, sockets, files. For parsers, which must do none of it.

It rests on Python's audit events (PEP 578). An audit hook cannot be taken off again, so there is one for the process,
which looks on only inside `watching`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_FORBIDDEN = (
    *("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "pty.spawn", "subprocess.Popen"),
    *(
        "socket.",
        "ctypes.",
        "pickle.find_class",
        "marshal.",
        "code.__new__",
        "import",
        "urllib.",
        "ftplib.",
        "smtplib.",
    ),
)
_CHANGES = (
    *("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.chown", "os.truncate"),
    *("os.utime", "os.putenv", "shutil.", "tempfile."),
)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass
class Seen:
    """What was done that must not be, in order."""

    events: list[str] = field(default_factory=list)


class _Hook:
    def __init__(self) -> None:
        self.seen: Seen | None = None
        self.folder = ""

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.seen is not None and self._is_told(event, arguments):
            self.seen.events.append(f"{event} {arguments!r}"[:300])

    def _is_told(self, event: str, arguments: tuple[object, ...]) -> bool:
        if event == "open":
            path, _, flags = arguments
            return isinstance(flags, int) and bool(flags & _WRITES) and not self._is_inside(path)
        if event.startswith(_CHANGES):
            return not self._is_inside(arguments[0] if arguments else None)
        return event.startswith(_FORBIDDEN)

    def _is_inside(self, path: object) -> bool:
        return isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path).startswith(self.folder)


_hook: list[_Hook] = []


@contextmanager
def watching(folder: Path) -> Iterator[Seen]:
    """What the block does to the system; it may write in `folder`. Code must have run before: imports are told."""
    if not _hook:
        _hook.append(_Hook())
        sys.addaudithook(_hook[0])
    seen = Seen()
    _hook[0].folder, _hook[0].seen = f"{folder}{os.sep}", seen
    try:
        yield seen
    finally:
        _hook[0].seen = None
