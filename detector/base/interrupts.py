"""Ctrl-C and SIGTERM wait while a process begins.

In its first tenth of a second Python could only end with a traceback and leave an old answer, about another model,
where harnesses look for this one's.
"""

from __future__ import annotations

import signal

_HELD = (signal.SIGINT, signal.SIGTERM)


def hold_interrupts() -> None:
    """From now on these signals wait."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)


def release_interrupts() -> None:
    """From now on they act, those that have waited at once: SIGINT as KeyboardInterrupt."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)
