"""What the checks say about a model and its examples: data, for the report and the user, never an exception.

"Could not check" is a finding of its own, so that it never looks like "clean".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class Severity(StrEnum):
    """How much a finding matters, mildest first."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    TAMPERED = "tampered"  # the paper's quality-assurance verdict: a known architecture, whose graph was changed


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    `code` is a stable snake_case name, `message` one sentence for people, `evidence` the figures behind it.
    """

    severity: Severity
    code: str
    message: str
    evidence: Mapping[str, Json] = field(default_factory=dict)
