"""How far the training of each model is, told by workers that may be on other machines: small files in the round.

They are written once a second at most, and only to be looked at: nothing is decided by them.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from detector.base.files import write_file

_FOLDER = ".progress"
_LOOK_SECONDS = 0.5
_WRITE_SECONDS = 1.0


@dataclass(frozen=True)
class Progress:
    """Where the training of one model stands: `step` of `steps` in its try number `number`."""

    name: str
    number: int
    step: int
    steps: int


@dataclass
class Reporter:
    """A worker's side: called with every step. The first of a model is written, the last, and one a second between."""

    folder: Path
    _written: float = field(default=float("-inf"), init=False)

    def __call__(self, progress: Progress) -> None:
        """Write it, if it is time."""
        if progress.step < progress.steps and time.monotonic() - self._written < _WRITE_SECONDS:
            return
        self._written = time.monotonic()
        place = self.folder / _FOLDER / f"{progress.name}.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        write_file(place, json.dumps(asdict(progress)).encode())


class Reports:
    """The other side: shows what changes, from a thread of its own."""

    def __init__(self, folder: Path, watch: Callable[[Progress | None], None]) -> None:
        self._folder = folder / _FOLDER
        self._watch = watch
        self._shown: dict[str, Progress] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()

    @classmethod
    @contextlib.contextmanager
    def watched(cls, folder: Path, watch: Callable[[Progress | None], None]) -> Iterator[Reports]:
        """Within it, `watch` is called about twice a second; afterwards there are no reports any more."""
        reports = cls(folder, watch)
        reports._clear()
        thread = threading.Thread(target=reports._look, daemon=True)
        thread.start()
        try:
            yield reports
        finally:
            reports._ended.set()
            thread.join()
            reports._clear()

    def tell(self, name: str) -> None:
        """Show the last report of what has ended; what `watch` raises here is the caller's."""
        progress = self._read(self._folder / f"{name}.json")
        with self._lock:
            self._watch(progress)
        with contextlib.suppress(FileNotFoundError):
            (self._folder / f"{name}.json").unlink()

    def _look(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            try:
                for path in sorted(self._folder.glob("*.json")):
                    self._show(path)
                with self._lock:
                    self._watch(None)
            except BaseException:  # as Ctrl-C in a test's `watch`: the caller's thread meets it in `tell`
                return

    def _read(self, path: Path) -> Progress | None:
        try:
            return Progress(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):  # gone, or none: it is only to be looked at
            return None

    def _show(self, path: Path) -> None:
        progress = self._read(path)
        with self._lock:
            if progress is not None and self._shown.get(progress.name) != progress:
                self._shown[progress.name] = progress
                self._watch(progress)

    def _clear(self) -> None:
        for path in self._folder.glob("*"):
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._folder.rmdir()
