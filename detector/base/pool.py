"""The one pool of the project: many tasks, each done once, results as they come and in no order.

Tasks and results are this program's own and travel pickled between its own processes, never to or from a file. Whatever
a worker sets up is set up for speed alone: results do not depend on how many there are, or where.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TypeVar, assert_never

from detector.base.tasks import Died, Done
from detector.base.workers import Backend, Workers

__all__ = ["Died", "Done", "run_tasks"]

_T = TypeVar("_T")
_R = TypeVar("_R")


def run_tasks(
    work: Callable[[_T], _R], tasks: Sequence[_T], workers: Workers
) -> Generator[Done[_T, _R] | Died[_T], None, None]:
    """Do `work` on every task, in other processes; what comes of each as it ends.

    A task whose process dies is tried once more, alone. An exception of `work` is the caller's, and ends the workers;
    so does closing the generator.

    Raises
    ------
    UsageError
        The cluster cannot be used, or goes away.
    """
    match workers.backend:
        case Backend.LOKY:
            from detector.base.processes import run_in_processes

            return run_in_processes(work, tasks, workers.count)
        case Backend.DASK:
            from detector.base.cluster import run_on_cluster

            return run_on_cluster(work, tasks, workers)
    assert_never(workers.backend)
