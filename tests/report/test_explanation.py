"""The words of the verdict: what is said, why, how far to trust it, and what to do next."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from detector.base.errors import ExitCode
from detector.base.findings import Finding, Severity
from detector.mapping.bundles import load_bundle, load_parameters
from detector.mapping.predict import predict
from detector.report.contributions import contributions
from detector.report.explanation import explanation, usual_range
from detector.report.report import Basis, MappingSummary, ModelSummary, Report

SHIPPED = Path(__file__).parents[2] / "learned_params"
SIZE = Finding(Severity.WARNING, "other_image_size", "224, learned on 48: the answer is not validated for this size")
OUTSIDE = Finding(
    Severity.WARNING,
    "beyond_experience",
    "undecided: unlike anything",
    {"features": {"polygon_probes_soft_mean_lead": {"value": 0.58, "low": -0.05, "high": 0.28}}},
)


def measured(*vector: float, architecture: str = "squeezenetv1_1", **changes: Any) -> Report:
    """A report of the default bundle's answer to these readings: lead under polygons, share and pair under filters."""
    parameters = load_parameters(SHIPPED, "universal", architecture)
    assert parameters is not None
    configuration = parameters.configurations[0]
    prediction = predict(configuration, vector, parameters.clip)
    report = Report(
        prediction.probability,
        Basis.MEASURED,
        model=ModelSummary("model.pt", "0" * 64, 10, "zip", "module", architecture, 5),
        prediction=prediction,
        contributions=contributions(configuration, vector, prediction),
        mapping=MappingSummary.of(load_bundle(SHIPPED, "universal"), parameters, configuration),
    )
    return dataclasses.replace(report, **changes)


POISONED, CLEAN = measured(0.2, 0.9, 0.95), measured(0.02, 0.1, 0.3)


def test_a_poisoned_network_is_told_with_its_readings_among_known_networks() -> None:
    told = explanation(POISONED)
    assert (told.headline, told.validated) == ("LIKELY POISONED", True)
    assert told.meaning == f"{POISONED.probability:.3f} is the probability that this model is poisoned"
    first, *_ = told.reasons
    assert first.startswith("raises it: ") and "clean 0." in first and "poisoned 0." in first
    assert {one.split(": ")[1] for one in told.reasons} == {one.name for one in POISONED.contributions or ()}
    assert "universal: of 33 networks that it had not seen" in told.trust[0]
    assert "do not use it" in told.next_steps[0]


def test_a_clean_network_is_no_proof() -> None:
    told = explanation(CLEAN)
    assert told.headline == "LIKELY CLEAN"
    assert all(reason.startswith("lowers it: ") for reason in told.reasons)
    assert told.next_steps[0].startswith("no proof")


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (measured(0.2, 0.9, 0.95, findings=(SIZE,)), "not validated for this size"),
        (measured(0.02, 0.1, 0.3, findings=(SIZE,)), "not validated for this size"),
        (measured(0.2, 0.9, 0.95, architecture="densenet121"), "no densenet121 was among"),
        (
            dataclasses.replace(POISONED, mapping=dataclasses.replace(POISONED.mapping, held_out=None)),  # type: ignore[type-var]
            "never tested",
        ),
    ],
)
def test_words_follow_the_warnings(report: Report, words: str) -> None:
    told = explanation(report)
    assert told.headline.endswith(", NOT VALIDATED") and told.validated is False
    assert words in told.trust[0]
    assert "clearly" not in str(told)


def test_what_is_unlike_known_networks_is_undecided_in_plain_words() -> None:
    told = explanation(measured(0.58, 0.5, 0.9, basis=Basis.BASE_RATE, probability=0.5, findings=(OUTSIDE,)))
    assert told.headline == "UNDECIDED"
    assert told.reasons[0].startswith(
        "unlike any network known to the bundle: lead of one class among images with coloured polygons: 0.58 (clean"
    )
    assert "configure" in told.next_steps[0]


@pytest.mark.parametrize(
    ("report", "headline", "reason", "step"),
    [
        (
            Report(0.5, Basis.NEUTRAL, ExitCode.MODEL_REFUSED, error="model.pt: it holds code"),
            "REFUSED", "it holds code", "no other program",
        ),
        (Report(0.5, Basis.NEUTRAL, ExitCode.DEADLINE, error="too late"), "NO ANSWER", "too late", "the error"),
        (
            Report(0.95, Basis.TAMPERED, findings=(SIZE, Finding(Severity.TAMPERED, "graph_deviates", "a stride"))),
            "TAMPERED", "a stride", "fresh copy",
        ),
        (
            Report(0.5, Basis.UNKNOWN_ARCHITECTURE, findings=(Finding(SIZE.severity, "unknown_architecture", "near"),)),
            "UNKNOWN ARCHITECTURE", "near", "untested",
        ),
        (
            Report(0.5, Basis.BASE_RATE, findings=(Finding(Severity.ERROR, "out_of_time", "no time"),)),
            "UNDECIDED", "no time", "infer_max_seconds",
        ),
        (
            Report(0.5, Basis.BASE_RATE, findings=(Finding(Severity.WARNING, "nothing_learned", "nothing"),)),
            "UNDECIDED", "nothing", "--bundle that knows",
        ),
        (
            Report(0.9, Basis.MEASURED, findings=(Finding(Severity.ERROR, "low_clean_accuracy", "2 of 10"),)),
            "UNDECIDED", "2 of 10", "size, preprocessing",
        ),
        (Report(0.5, Basis.MEASURED), "UNDECIDED", None, "untested"),
    ],
)  # fmt: skip
def test_every_other_verdict_says_why_and_what_to_do(
    report: Report, headline: str, reason: str | None, step: str
) -> None:
    told = explanation(report)
    assert told.headline == headline
    assert list(told.reasons[:1]) == ([] if reason is None else [told.reasons[0]])
    assert reason is None or reason in told.reasons[0]
    assert step in told.next_steps[0]


def test_the_usual_range_holds_eight_in_ten() -> None:
    assert usual_range(tuple(float(number) for number in range(11))) == (1.0, 9.0)
