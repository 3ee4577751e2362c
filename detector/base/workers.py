"""Who does the work: processes of this machine, or the workers of a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from detector.base.cpus import usable_cpus
from detector.base.errors import UsageError


class Backend(StrEnum):
    """What starts the processes."""

    LOKY = "loky"  # joblib's processes, on this machine
    DASK = "dask"  # dask.distributed, on this machine or many


@dataclass(frozen=True)
class Workers:
    """How many tasks are done at the same time, and where.

    Attributes
    ----------
    count
        Processes on this machine; of a scheduler's workers there are as many as there are.
    scheduler
        Where a dask scheduler listens, such as tcp://10.0.0.1:8786; None: one is started, on this machine.
    sandboxed
        Whether they parse files in confined children of their own.

    Raises
    ------
    UsageError
        A scheduler is named for processes that need none.
    """

    count: int = 1
    backend: Backend = Backend.LOKY
    scheduler: str | None = None
    sandboxed: bool = True

    def __post_init__(self) -> None:
        if self.scheduler is not None and self.backend is not Backend.DASK:
            raise UsageError(
                f"the backend {self.backend} has no scheduler",
                where="--scheduler",
                expected="--backend dask beside it",
                next_step="name the backend, or leave the scheduler out",
            )

    @property
    def threads(self) -> int:
        """How many threads a worker has for itself; of a cluster's workers every one is a thread."""
        return max(1, usable_cpus() // self.count) if self.backend is Backend.LOKY else 1
