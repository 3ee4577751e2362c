"""Limits of time: what cannot look at the clock is ended, and nothing is left of the alarm."""

import re
import signal
import threading
import time

import pytest

from detector.base.time_limit import TimeLimitError, time_limit


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(a*)*b", r"(\w+\s?)+#"])
def test_a_search_without_end_is_ended(pattern: str) -> None:
    began = time.monotonic()
    with pytest.raises(TimeLimitError), time_limit(0.2):
        re.search(pattern, "a" * 60 + "!")
    assert time.monotonic() - began < 60


def test_what_is_quick_is_not_disturbed_then_or_later() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with time_limit(0.05):
        done = sum(range(10))
    assert done == 45
    time.sleep(0.1)
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_an_error_of_the_block_is_what_is_raised() -> None:
    with pytest.raises(ZeroDivisionError), time_limit(5):
        1 / 0  # noqa: B018
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_other_threads_are_not_limited() -> None:
    slept: list[bool] = []

    def work() -> None:
        with time_limit(0.01):
            time.sleep(0.05)
            slept.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert slept == [True]
