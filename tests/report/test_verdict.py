"""The word for each kind of report."""

from __future__ import annotations

import pytest

from detector.base.errors import ExitCode
from detector.base.findings import Finding, Severity
from detector.mapping.predict import Prediction
from detector.report.report import Basis, Report
from detector.report.verdict import Judgement, judgement

ERROR = (Finding(Severity.ERROR, "any", "it does not classify its examples"),)


@pytest.mark.parametrize(
    ("report", "word"),
    [
        (Report(0.99, Basis.MEASURED), Judgement.POISONED),
        (Report(0.6, Basis.MEASURED), Judgement.POISONED),
        (Report(0.59, Basis.MEASURED), Judgement.UNDECIDED),
        (Report(0.41, Basis.MEASURED), Judgement.UNDECIDED),
        (Report(0.4, Basis.MEASURED), Judgement.CLEAN),
        (Report(0.01, Basis.MEASURED), Judgement.CLEAN),
        (Report(0.99, Basis.MEASURED, findings=ERROR), Judgement.UNDECIDED),
        (Report(0.95, Basis.TAMPERED), Judgement.TAMPERED),
        (Report(0.5, Basis.UNKNOWN_ARCHITECTURE), Judgement.UNKNOWN_ARCHITECTURE),
        (Report(0.99, Basis.BASE_RATE), Judgement.NOT_MEASURED),
        (Report(0.5, Basis.NEUTRAL), Judgement.NOT_MEASURED),
        (Report(0.5, Basis.BASE_RATE, prediction=Prediction(0.9, 2.2, ())), Judgement.UNDECIDED),
        (Report(0.5, Basis.NEUTRAL, ExitCode.MODEL_REFUSED), Judgement.REFUSED),
        (Report(0.5, Basis.NEUTRAL, ExitCode.DEADLINE), Judgement.NOT_MEASURED),
    ],
)
def test_words(report: Report, word: Judgement) -> None:
    assert judgement(report) is word
