"""Tasks on a dask cluster: the scheduler and its workers run this same code, and may come and go.

Between client, scheduler and workers tasks travel pickled, so whoever reaches the scheduler's port can run code: it
belongs into a network of its own, or behind TLS (docs/cluster.md). dask.distributed is not needed for anything else and
imported here alone.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from detector.base.errors import UsageError
from detector.base.tasks import Died, Done, prepare_process
from detector.base.workers import Workers

_T = TypeVar("_T")
_R = TypeVar("_R")

_CONNECT_SECONDS = 30
_LOOK_SECONDS = 1.0  # how often it is asked whether the scheduler is still there
_RESULT_SECONDS = 120  # for a result to come over the network once it is there
_CLOSE_SECONDS = 5


def run_on_cluster(
    work: Callable[[_T], _R], tasks: Sequence[_T], workers: Workers
) -> Generator[Done[_T, _R] | Died[_T], None, None]:
    """Do `work` on every task, on as many workers as there are at any time; in the order in which they end.

    What was in hand when a worker died, the scheduler gives to another one, as often as it is set to. A task that it
    gives up is tried once more after all others, alone. An exception of `work` is the caller's.

    Raises
    ------
    UsageError
        dask.distributed is not installed, or the scheduler cannot be reached, or goes away.
    """
    if not tasks:
        return
    with _connected(workers) as client:
        suspects: list[_T] = []
        for task, future in _ended(client, work, tasks, workers):
            if _has_died(future):
                suspects.append(task)
            else:
                yield Done(task, _result(future, workers))
        for task in suspects:
            ((_, future),) = _ended(client, work, [task], workers)
            yield Died(task) if _has_died(future) else Done(task, _result(future, workers))


def _ended(client: Any, work: Callable[[_T], _R], tasks: Sequence[_T], workers: Workers) -> Iterator[tuple[_T, Any]]:
    """Tasks and their futures as they end. All are handed over at once: workers that come late find some left."""
    ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
    name = uuid.uuid4().hex
    running = {}
    for number, task in enumerate(tasks):
        key = f"task-{name}-{number}"
        running[key] = task, client.submit(_work, work, task, key=key, pure=False)
    for _, future in running.values():
        future.add_done_callback(ended.put)
    while running:
        try:
            future = ended.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            if client.status not in ("running", "connecting"):
                raise _gone(workers) from None
            continue
        task, _ = running.pop(future.key)
        yield task, future


def _work(work: Callable[[_T], _R], task: _T) -> _R:
    """On the worker."""
    prepare_process()
    return work(task)


def _has_died(future: Any) -> bool:
    from distributed.scheduler import KilledWorker

    return future.status == "error" and isinstance(future.exception(timeout=_RESULT_SECONDS), KilledWorker)


def _result(future: Any, workers: Workers) -> Any:
    if future.status not in ("finished", "error"):  # cancelled or lost: by nobody here
        raise _gone(workers)
    try:
        return future.result(timeout=_RESULT_SECONDS)
    except (CancelledError, OSError, TimeoutError) as error:
        if future.status == "error":
            raise
        raise _gone(workers) from error


@contextlib.contextmanager
def _connected(workers: Workers) -> Iterator[Any]:
    """A client, of a cluster of its own on this machine where no scheduler is named."""
    distributed = _distributed()
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is an error of ours
    with contextlib.ExitStack() as stack:
        address: Any = workers.scheduler
        if address is None:
            address = stack.enter_context(
                distributed.LocalCluster(workers.count, threads_per_worker=1, host="127.0.0.1", dashboard_address=None)
            )
        try:
            client = distributed.Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise _unreachable(workers, error) from error
        try:
            yield client
        finally:
            with contextlib.suppress(Exception):  # where the scheduler is gone, there is nobody to take leave of
                client.close(timeout=_CLOSE_SECONDS)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise UsageError(
            "dask.distributed is not installed",
            where="--backend dask",
            expected="the optional packages for clusters",
            next_step="pip install 'pruning-trojan-detector[cluster]', or use --backend loky",
        ) from error
    return distributed


def _unreachable(workers: Workers, error: Exception) -> UsageError:
    return UsageError(
        f"no scheduler can be reached there ({error})",
        where=workers.scheduler,
        expected="the address of a running dask scheduler, such as tcp://10.0.0.1:8786",
        next_step="start one with `dask scheduler`, and check the network between here and there",
    )


def _gone(workers: Workers) -> UsageError:
    return UsageError(
        "the scheduler went away",
        where=workers.scheduler or "the cluster on this machine",
        expected="a scheduler that stays until the last task is done",
        next_step="start it and its workers again; the same command goes on where it stopped",
    )
