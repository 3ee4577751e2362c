"""How far a long run is: named stages, and in each how many models are done. A bar on a terminal, log lines elsewhere.

What is foreseen is the mean time of those that are done times those that are left, and called "about": where some were
done by an earlier run, or by several workers, that is all that is known. rich draws the bar, and is not imported where
there is none.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

from detector.base.clock import Clock, SystemClock
from detector.base.text import printable

_log = logging.getLogger(__name__)

Step = Callable[[str], None]
"""Called when one more is done; the text, which may be empty, says which, and what came of it."""


class Progress(Protocol):
    """Told of the stages of a run."""

    def stage(self, name: str, total: int | None = None) -> AbstractContextManager[Step]:
        """What is done within it is the stage of that name, of `total` models where they are counted."""


class LogProgress:
    """A line of the log for each stage that is not counted, and for each model of those that are."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @contextlib.contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Step]:
        """As `Progress` has it."""
        began, done = self._clock.now(), 0
        if total is None:
            _log.info("%s", name)

        def step(text: str) -> None:
            nonlocal done
            done += 1
            mean = (self._clock.now() - began) / done
            left = "" if total is None else f" of {total}"
            told = f": {text}" if text else f" models, {mean:.1f} s a model"
            _log.info("%s: %d%s%s%s", name, done, left, told, _about(mean, total, done))

        yield step


def _about(mean: float, total: int | None, done: int) -> str:
    return "" if total is None else f", about {mean * (total - done):.0f} s left"


class TerminalProgress:
    """A bar of rich for each stage, on stderr; the log is written above them."""

    def __init__(self, bars: Any) -> None:
        self._bars = bars

    @contextlib.contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Step]:
        """As `Progress` has it."""
        task = self._bars.add_task(printable(name), total=total, last="")

        def step(text: str) -> None:
            self._bars.update(task, advance=1, last=printable(text, 60))

        yield step
        done = self._bars.tasks[task].completed if total is not None else 1
        self._bars.update(task, total=done or 1, completed=done or 1, last="")


@contextlib.contextmanager
def display(*, terminal: bool, clock: Clock | None = None) -> Iterator[Progress]:
    """The progress of a command for people: a bar where stderr is a `terminal`, log lines elsewhere.

    However it is left, by Ctrl-C too, the terminal is as it was: the cursor is there, and the log goes to stderr.
    """
    if not terminal:
        yield LogProgress(clock or SystemClock())
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("about"),
        TimeRemainingColumn(),
        TextColumn("left"),
        TextColumn("{task.fields[last]}", markup=False),
    )
    stderr = sys.stderr
    with Bars(*columns, console=Console(stderr=True), redirect_stdout=False) as bars, _log_above(stderr):
        yield TerminalProgress(bars)


@contextlib.contextmanager
def _log_above(before: object) -> Iterator[None]:
    """Handlers that write to the stderr of before write to that of now, which the bar makes room for."""
    moved = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is before
    ]
    for handler in moved:
        handler.setStream(sys.stderr)
    try:
        yield
    finally:
        for handler in moved:
            handler.setStream(before)
