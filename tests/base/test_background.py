"""Work beside the main thread: it begins at once, comes in order, and fails where it is asked for."""

import threading
from collections.abc import Iterator

import pytest

from detector.base.background import Ahead, in_background


def test_work_begins_before_anybody_asks() -> None:
    begun = threading.Event()
    future = in_background(lambda: (begun.set(), "done")[1])  # type: ignore[func-returns-value]
    assert begun.wait(20)
    assert future.result() == "done"


def test_failures_reach_whoever_asks() -> None:
    with pytest.raises(ZeroDivisionError):
        in_background(lambda: 1 // 0).result()


def test_items_come_in_order_and_end() -> None:
    assert list(Ahead(range(5))) == [0, 1, 2, 3, 4]
    assert list(Ahead([])) == []


def test_one_item_is_made_ahead_and_no_more() -> None:
    made = [threading.Event() for _ in range(4)]

    def items() -> Iterator[int]:
        for number, event in enumerate(made):
            event.set()
            yield number

    ahead = Ahead(items())
    assert made[0].wait(20)
    assert not made[1].wait(0.2)
    assert next(ahead) == 0
    assert made[1].wait(20)
    assert not made[2].wait(0.2)


def test_an_iterable_that_fails_does_so_where_the_item_would_have_come() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    ahead = Ahead(items())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="broken"):
        next(ahead)
