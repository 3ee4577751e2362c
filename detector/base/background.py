"""Work that goes on beside the main thread: one thing at a time, in a thread of its own that is waited for by need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

_T = TypeVar("_T")
_END = object()


def in_background(work: Callable[[], _T]) -> Future[_T]:
    """Begin the work; its result or exception is for whoever asks the future."""
    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(work)
    finally:
        pool.shutdown(wait=False)


class Ahead(Iterator[_T], Generic[_T]):
    """The items of an iterable, each made while the one before is in use; the first one as soon as this is made.

    Exceptions come where the item would have come.
    """

    def __init__(self, items: Iterable[_T]) -> None:
        self._items = iter(items)
        self._coming = in_background(self._make)

    def _make(self) -> _T | object:
        return next(self._items, _END)

    def __next__(self) -> _T:
        item = self._coming.result()
        if item is _END:
            raise StopIteration
        self._coming = in_background(self._make)
        return item  # type: ignore[return-value]
