"""A limit of time for a block of code that cannot look at the clock itself, such as a search for a regular expression.

It rests on the alarm signal, which Python delivers to the main thread alone; nothing else in the detector uses it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TimeLimitError(Exception):
    """The block was ended before it was done."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """End the block after so many seconds; in other threads than the main one it is not limited.

    Raises
    ------
    TimeLimitError
        The block took longer. Code in it that catches every exception would catch this one, too.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _end(_: int, __: FrameType | None) -> None:
    raise TimeLimitError
