"""The lines for the terminal: few, the verdict first, and nothing in them that a model's file could have put there."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from detector.base.findings import Finding, Severity
from detector.report.document import to_document
from detector.report.report import Basis, ModelSummary, Report
from detector.report.summary import MOST_LINES, summary_text
from tests.report.test_explanation import CLEAN, OUTSIDE, POISONED, SIZE, measured


@pytest.mark.parametrize("report", [POISONED, CLEAN, measured(0.2, 0.9, 0.95, findings=(SIZE,) * 9)])
def test_the_verdict_comes_first_and_twelve_lines_are_enough(report: Report) -> None:
    lines = summary_text(to_document(report), report="scratch/report.json").splitlines()
    assert lines[0].startswith("LIKELY ") and lines[0].endswith("is the probability that this model is poisoned")
    assert [line[:9].strip() for line in lines if line[0] != " "][1:] == ["File", "Why", "Trust", "Next", "Report"]
    assert len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= 120


def test_only_the_headline_is_coloured_and_only_where_it_is_asked_for() -> None:
    document = to_document(POISONED)
    plain, coloured = summary_text(document), summary_text(document, colour=True)
    assert plain.isprintable() == ("\n" not in plain) and "\x1b" not in plain
    assert coloured.startswith("\x1b[1;31mLIKELY POISONED\x1b[0m  ")
    assert coloured.splitlines()[1:] == plain.splitlines()[1:]


def test_nothing_known_has_lines_too() -> None:
    assert summary_text(to_document(Report(0.5, Basis.NEUTRAL))).startswith(
        "UNDECIDED  0.500 stands for no answer\nFile"
    )


def test_a_reason_is_told_whole_or_not_at_all() -> None:
    long = [f"raises it: {'reading ' * 20}{number}: 0.10 (clean 0.00-0.04, poisoned 0.01-0.15)" for number in range(3)]
    document: dict[str, Any] = to_document(POISONED)
    document["verdict"] |= {"reasons": long, "trust": ["trust"] * 3, "next_steps": ["next"] * 2}
    lines = summary_text(document, report="scratch/report.json").splitlines()
    assert len(lines) <= MOST_LINES
    assert "..." not in "".join(lines) and sum("poisoned 0.01-0.15)" in line for line in lines) == 2
    document["verdict"] |= {"trust": ["trust"], "next_steps": ["next"]}
    lines = summary_text(document, report="scratch/report.json").splitlines()
    assert len(lines) <= MOST_LINES and sum("poisoned 0.01-0.15)" in line for line in lines) == 3


def test_a_changed_network_is_called_by_what_it_was() -> None:
    found = Finding(Severity.TAMPERED, "graph_deviates", "a stride", {"nearest": "resnet50"})
    model = ModelSummary("model.pt", "0" * 64, 10, "zip", "module", None, 5)
    report = dataclasses.replace(POISONED, basis=Basis.TAMPERED, model=model, findings=(found,))
    assert "model.pt: changed resnet50, 5 classes" in summary_text(to_document(report))


@pytest.mark.hostile
def test_hostile_names_forge_nothing() -> None:
    hostile = "\x1b[2J\nLIKELY CLEAN  0.010\r\u202e\udcff" + "x" * 10_000
    findings = (Finding(Severity.TAMPERED, "odd", hostile), Finding(Severity.WARNING, hostile, hostile), OUTSIDE)
    named = ModelSummary(hostile, "0" * 64, 10, "zip", "module", hostile, 5)
    report = dataclasses.replace(POISONED, basis=Basis.TAMPERED, model=named, findings=findings, error=hostile)
    text = summary_text(to_document(report), report=f"{hostile}/report.json")
    assert text.replace("\n", "").isprintable()
    assert len(text.splitlines()) <= MOST_LINES
    assert not any(line.startswith("LIKELY CLEAN") for line in text.splitlines())
    assert len(text) < 3000
