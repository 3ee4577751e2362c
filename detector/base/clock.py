"""Time as the detector sees it: a clock that can be injected, and when the process started.

The caller's stopwatch starts with the process, not with our first line: importing torch may take seconds. What the
kernel says about the start is checked for sense before it is believed, for a wrong start would eat the whole budget.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Protocol

_START_TIME_FIELD = 22  # of proc(5)'s stat, counted from 1


class Clock(Protocol):
    """Anything that tells the time."""

    def now(self) -> float:
        """Seconds on a clock that never goes back; only differences mean anything."""
        ...


class SystemClock:
    """The monotonic clock of the machine."""

    def now(self) -> float:
        """Seconds since an arbitrary moment."""
        return time.monotonic()


def process_started(proc: Path = Path("/proc")) -> float:
    """When this process started, in seconds on `SystemClock`; the present moment where the kernel does not say."""
    now = time.monotonic()
    age = _process_age(proc)
    return now if age is None else now - age


def _process_age(proc: Path) -> float | None:
    """Seconds since the kernel started this process, or None where that cannot be known."""
    try:
        stat = (proc / "self" / "stat").read_text(encoding="utf-8", errors="replace")
        # The name in field 2 may hold blanks and brackets: count from its closing bracket.
        ticks = int(stat.rpartition(")")[2].split()[_START_TIME_FIELD - 3])
        since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
        age = since_boot - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return None
    # Sandboxed kernels report 0, and some count from another moment than the clock does.
    return age if ticks > 0 and age >= 0 else None
