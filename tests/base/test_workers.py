"""Who does the work, and that a scheduler goes with dask alone."""

import pytest

from detector.base import workers as module
from detector.base.errors import UsageError
from detector.base.pool import run_tasks
from detector.base.workers import Backend, Workers


def test_a_scheduler_needs_dask() -> None:
    with pytest.raises(UsageError, match="--backend dask"):
        Workers(2, Backend.LOKY, "tcp://127.0.0.1:8786")


def test_workers_of_this_machine_share_its_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usable_cpus", lambda: 8)
    assert [Workers(count).threads for count in (1, 2, 3, 8, 20)] == [8, 4, 2, 1, 1]
    assert Workers(1, Backend.DASK).threads == 1


@pytest.mark.parametrize("backend", Backend)
def test_the_pool_asks_the_backend(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr("detector.base.processes.run_in_processes", lambda *given: asked.append(("loky", *given)))
    monkeypatch.setattr("detector.base.cluster.run_on_cluster", lambda *given: asked.append(("dask", *given)))
    run_tasks(abs, [1], Workers(3, backend))
    assert asked == [("loky", abs, [1], 3) if backend is Backend.LOKY else ("dask", abs, [1], Workers(3, backend))]
