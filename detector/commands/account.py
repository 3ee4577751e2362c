"""The report in the making: what is known of a run so far, so that a failure can be reported as well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from detector.base.budget import Budget
from detector.base.files import NEUTRAL
from detector.base.findings import Finding
from detector.report.report import Basis, Report


class Account:
    """Grows as stages complete; `progress` is told of each stage as it begins."""

    def __init__(self, budget: Budget, progress: Callable[[str], None] | None = None) -> None:
        self._budget = budget
        self._progress = progress
        self.report = Report(NEUTRAL, Basis.NEUTRAL, budget_seconds=budget.seconds)

    def tell(self, **known: Any) -> None:
        """Fields of the report that are known now."""
        self.report = replace(self.report, **known)

    def find(self, *findings: Finding) -> None:
        """Further findings."""
        self.tell(findings=(*self.report.findings, *findings))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """The time of what is done within it counts for the stage of that name."""
        if self._progress is not None:
            self._progress(name)
        began = self._budget.elapsed()
        try:
            yield
        finally:
            taken = self.report.timings.get(name, 0.0) + self._budget.elapsed() - began
            self.tell(timings={**self.report.timings, name: taken})
