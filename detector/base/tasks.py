"""What a pool gives back for each task, and what a process that works beside others sets up."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Generic, TypeVar

from threadpoolctl import threadpool_limits

from detector.base.process import keep_freed_memory, use_one_thread_a_call

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Done(Generic[T, R]):
    """A task and what came of it."""

    task: T
    result: R


@dataclass(frozen=True)
class Died(Generic[T]):
    """A task whose process ended in the middle of it, and again when the task was tried alone."""

    task: T


@functools.cache
def prepare_process() -> None:
    """Once in a process that works beside others: one thread for each call of a library, memory kept."""
    use_one_thread_a_call()
    threadpool_limits(1)
    keep_freed_memory()
