"""What a report says in one word. The probability is the answer; the word is for people who ask which side it is on."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, assert_never

from detector.base.errors import ExitCode
from detector.base.findings import Severity
from detector.report.report import Basis, Report

__all__ = ["Judgement", "judgement", "side_of"]


class Judgement(StrEnum):
    """The verdict on a model."""

    POISONED = "poisoned"
    CLEAN = "clean"
    UNDECIDED = "undecided"  # measured, and near 0.5, unlike anything known, or worth nothing
    UNKNOWN_ARCHITECTURE = "unknown architecture"  # not measured: nothing is known of networks of this kind
    TAMPERED = "tampered"  # not measured: its structure is not what it should be
    REFUSED = "refused"  # not read: unsafe or damaged
    NOT_MEASURED = "not measured"  # the probability is a base rate, or what stands for no answer


def judgement(report: Report) -> Judgement:
    """The verdict of a report."""
    match report.basis:
        case Basis.TAMPERED:
            return Judgement.TAMPERED
        case Basis.UNKNOWN_ARCHITECTURE:
            return Judgement.UNKNOWN_ARCHITECTURE
        case Basis.NEUTRAL:
            return Judgement.REFUSED if report.exit_code is ExitCode.MODEL_REFUSED else Judgement.NOT_MEASURED
        case Basis.BASE_RATE:
            return Judgement.NOT_MEASURED if report.prediction is None else Judgement.UNDECIDED
        case Basis.MEASURED:
            if any(finding.severity is Severity.ERROR for finding in report.findings):
                return Judgement.UNDECIDED
            side = side_of(report.probability)
            return Judgement.UNDECIDED if side is None else Judgement(side)
    assert_never(report.basis)


def side_of(probability: float) -> Literal["poisoned", "clean"] | None:
    """Which side a probability is on, or None where it is too near 0.5 to tell."""
    if 0.4 < probability < 0.6:
        return None
    return "poisoned" if probability > 0.5 else "clean"
