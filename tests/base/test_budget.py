"""The budget, by hand."""

import math
from dataclasses import dataclass
from threading import TIMEOUT_MAX

import pytest

from detector.base.budget import Budget


@dataclass
class _Stopped:
    """A clock that is moved by hand."""

    time: float = 100.0

    def now(self) -> float:
        return self.time


def test_budget_by_hand() -> None:
    clock = _Stopped()
    budget = Budget(clock, started=95.0, seconds=60.0, reserve=2.0)
    assert budget.elapsed() == 5.0
    assert budget.remaining() == 53.0
    assert budget.allows(53.0)
    assert not budget.allows(math.nextafter(53.0, 60.0))
    clock.time = 155.5
    assert budget.remaining() == -2.5
    assert not budget.allows(0.0)


@pytest.mark.parametrize(("seconds", "waited"), [(120.0, 18.0), (60.0, 0.0), (math.inf, TIMEOUT_MAX)])
def test_nobody_waits_a_negative_or_an_endless_time(seconds: float, waited: float) -> None:
    assert Budget(_Stopped(), started=0.0, seconds=seconds, reserve=2.0).patience() == waited
