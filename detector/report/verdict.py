"""What a report says in one word. The probability is the answer; the word is for people who ask which side it is on."""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

from detector.base.findings import Severity
from detector.report.report import Basis, Report, side_of

__all__ = ["Judgement", "judgement"]


class Judgement(StrEnum):
    """The verdict on a model."""

    POISONED = "poisoned"
    CLEAN = "clean"
    UNDECIDED = "undecided"  # measured, and near 0.5 or worth nothing
    UNKNOWN_ARCHITECTURE = "unknown architecture"  # not measured: nothing is known of networks of this kind
    TAMPERED = "tampered"  # not measured: its structure is not what it should be
    NOT_MEASURED = "not measured"  # the probability is a base rate, or what stands for no answer


def judgement(report: Report) -> Judgement:
    """The verdict of a report."""
    match report.basis:
        case Basis.TAMPERED:
            return Judgement.TAMPERED
        case Basis.UNKNOWN_ARCHITECTURE:
            return Judgement.UNKNOWN_ARCHITECTURE
        case Basis.NEUTRAL | Basis.BASE_RATE:
            return Judgement.NOT_MEASURED
        case Basis.MEASURED:
            if any(finding.severity is Severity.ERROR for finding in report.findings):
                return Judgement.UNDECIDED
            side = side_of(report.probability)
            return Judgement.UNDECIDED if side is None else Judgement(side)
    assert_never(report.basis)
