"""Where files from outside are parsed: in confined children, as long as the system has them and nobody objects.

Without them a run goes on, for the parsers are made for hostile files as they are, and containers that forbid what a
sandbox takes still want an answer. But it is told, in every report.
"""

from __future__ import annotations

import atexit
import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from detector.base.findings import Finding, Severity
from detector.examples import decoding
from detector.model_file import confined
from detector.sandbox.sandbox import Sandbox, SandboxUnavailableError

_JOBS = (confined.JOB, decoding.JOB)
_LOST = "a fault in a parser would have all rights of this process, and what it takes of time and memory"


@dataclass(frozen=True)
class Confinement:
    """The sandbox, or None and, where that was not asked for, the `reason` why there is none."""

    sandbox: Sandbox | None = None
    reason: str | None = None

    def findings(self) -> tuple[Finding, ...]:
        """What is missing, once a child has been started."""
        if self.sandbox is None and self.reason is None:
            message = f"files were parsed without a sandbox, as asked for: {_LOST}"
            return (Finding(Severity.INFO, "not_sandboxed", message),)
        if self.sandbox is None:
            message = f"files were parsed without a sandbox ({self.reason}): {_LOST}"
            return (Finding(Severity.WARNING, "not_sandboxed", message, {"reason": self.reason}),)
        if self.sandbox.missing is not None:
            message = "the sandbox bounds memory, time and open files, but the kernel filters no system calls"
            return (Finding(Severity.INFO, "partly_sandboxed", message, {"reason": self.sandbox.missing}),)
        return ()


UNCONFINED = Confinement()
"""Everything is parsed in this process."""


@contextmanager
def confinement() -> Iterator[Confinement]:
    """A sandbox for as long as the block lasts, where there is one to be had."""
    found = _begin()
    try:
        yield found
    finally:
        if found.sandbox is not None:
            found.sandbox.close()


def confinement_of_process() -> Confinement:
    """The sandbox that this process keeps, for whoever judges model after model; a new one where it was lost."""
    found = _kept(os.getpid())
    if found.sandbox is not None and not found.sandbox.usable:
        _kept.cache_clear()
        found = _kept(os.getpid())
    return found


@functools.lru_cache(maxsize=1)
def _kept(_: int) -> Confinement:
    """Of the process of this number: one that was forked from it needs its own."""
    found = _begin()
    if found.sandbox is not None:
        atexit.register(found.sandbox.close)
    return found


def _begin() -> Confinement:
    try:
        return Confinement(Sandbox(_JOBS))
    except SandboxUnavailableError as error:
        return Confinement(reason=str(error))
