"""The time budget of an answer, counted from the start of the process: 60 s, unless metaparameters say otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from threading import TIMEOUT_MAX

from detector.base.clock import Clock


@dataclass(frozen=True)
class Budget:
    """How long the answer may take.

    Attributes
    ----------
    started
        When the counting began, on `clock`.
    seconds
        The whole budget.
    reserve
        What of it is kept back for writing the answer.
    """

    clock: Clock
    started: float
    seconds: float
    reserve: float = 1.0

    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.clock.now() - self.started

    def remaining(self) -> float:
        """Seconds left for work, the reserve taken off; negative when overdue."""
        return self.seconds - self.reserve - self.elapsed()

    def patience(self) -> float:
        """The same for functions that wait at most so many seconds: never negative, never more than they can take."""
        return min(max(self.remaining(), 0.0), TIMEOUT_MAX)

    def allows(self, seconds_needed: float) -> bool:
        """Whether work of that length still fits."""
        return seconds_needed <= self.remaining()
