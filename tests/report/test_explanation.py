"""The words of the verdict: what is said, why, how far to trust it, and what to do next."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from detector.base.errors import ExitCode
from detector.base.findings import Finding, Severity
from detector.examples.choice import ImageChoice
from detector.mapping.any_of import AnyOf, Cause
from detector.mapping.bundles import Bundle
from detector.mapping.configuration import Clip, Configuration, Figures
from detector.mapping.known import Known
from detector.mapping.parameters import LearnedParameters, Provenance
from detector.mapping.predict import predict
from detector.model_file.refusals import DANGER_STEP
from detector.probing.probe import Probe
from detector.report.contributions import contributions
from detector.report.explanation import beyond, explanation, usual_range
from detector.report.report import Basis, MappingSummary, ModelSummary, Report
from detector.rounds.preprocessing import PROFILES
from detector.signals.features import ModelFeature

CAUSES = tuple(
    Cause(name, centre, spread, -2.0, 4.0, -3.4, 2.8)
    for name, centre, spread in (("lead", 0.024, 0.017), ("share", 0.30, 0.15), ("pair", 0.64, 0.21))
)
INPUTS = (
    ModelFeature("lead", "polygon_probes", "soft_mean_lead"),
    ModelFeature("share", "filter_probes", "soft_largest_share"),
    ModelFeature("pair", "filter_probes", "soft_strongest_pair"),
)
KNOWN = (
    ("lead", Known(tuple(0.01 + 0.002 * k for k in range(18)), tuple(0.02 + 0.01 * k for k in range(15)))),
    ("share", Known(tuple(0.1 + 0.03 * k for k in range(18)), tuple(0.2 + 0.05 * k for k in range(15)))),
    ("pair", Known(tuple(0.2 + 0.04 * k for k in range(18)), tuple(0.5 + 0.03 * k for k in range(15)))),
)
CONFIGURATION = Configuration(
    ImageChoice(40), (), (Probe.make("gamma"),), INPUTS, AnyOf(0.0, CAUSES), Figures(33, 0.18, 0.45, 0.87), known=KNOWN
)
PARAMETERS = LearnedParameters(
    "any",
    PROFILES["small"],
    0.5,
    Clip(0.02, 0.98),
    (CONFIGURATION,),
    Provenance("made up", 33, 15, "by hand", "a test", architectures=("mobilenetv2", "squeezenetv1_1")),
)
SIZE = Finding(Severity.WARNING, "other_image_size", "224, learned on 48: the answer is not validated for this size")
OUTSIDE = Finding(
    Severity.WARNING,
    "beyond_experience",
    "undecided: unlike anything",
    {"features": {"lead": {"value": 0.58, "low": -0.05, "high": 0.28}}},
)


def measured(*vector: float, architecture: str = "squeezenetv1_1", **changes: Any) -> Report:
    """A report of what the mapping says of these readings: lead under polygons, share and pair under filters."""
    prediction = predict(CONFIGURATION, vector, PARAMETERS.clip)
    report = Report(
        prediction.probability,
        Basis.MEASURED,
        model=ModelSummary("model.pt", "0" * 64, 10, "zip", "module", architecture, 5),
        prediction=prediction,
        contributions=contributions(CONFIGURATION, vector, prediction),
        mapping=MappingSummary.of(Bundle("mine", "1", "made up", 0.5), PARAMETERS, CONFIGURATION),
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
    assert "mine: of 33 networks that it had not seen" in told.trust[0]
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
        "unlike any network known to the bundle: lead of one class among images with polygons: 0.58 (clean"
    )
    assert "configure" in told.next_steps[0]


@pytest.mark.parametrize(("value", "side"), [(0.58, "poisoned"), (-0.3, "clean")])
def test_what_is_beyond_all_known_networks_is_told_with_its_side(value: float, side: str) -> None:
    features: Any = {"lead": {"value": value, "low": -0.05, "high": 0.28}}
    finding = dataclasses.replace(OUTSIDE, evidence={"features": features})
    told = explanation(measured(value, 0.5, 0.9, basis=Basis.BASE_RATE, probability=0.5, findings=(finding,)))
    assert told.reasons[0].endswith(f", beyond all of them on the {side} side")
    assert ("suspect" in told.next_steps[0]) == (side == "poisoned")


def test_no_side_is_told_where_nothing_is_known_of_both() -> None:
    (one, *_), bounds = POISONED.contributions or (), {"value": 9.0, "low": 0.0, "high": 1.0}
    assert beyond(bounds, one) == "poisoned"
    assert beyond(bounds, None) is None
    assert beyond(bounds, dataclasses.replace(one, clean=())) is None


def test_a_missing_file_is_not_told_as_damaged_or_hostile() -> None:
    error = "gone.pt: file: cannot be opened (No such file or directory)"
    (step,) = explanation(Report(0.5, Basis.NEUTRAL, ExitCode.MODEL_REFUSED, error=error)).next_steps
    assert step == "check the path of the model file, and that you may read it"


@pytest.mark.parametrize(
    ("report", "headline", "reason", "step"),
    [
        (
            Report(0.5, Basis.NEUTRAL, ExitCode.MODEL_REFUSED, error=f"model.pt: it holds code; {DANGER_STEP}"),
            "REFUSED", "it holds code", "no other program",
        ),
        (
            Report(0.5, Basis.NEUTRAL, ExitCode.MODEL_REFUSED, error="model.pt: cannot be opened"),
            "REFUSED", "cannot be opened", "check the path",
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


@pytest.mark.parametrize(
    ("report", "meaning"),
    [
        (Report(0.53, Basis.UNKNOWN_ARCHITECTURE), "0.530 is the bundle's base rate: this network cannot be measured"),
        (Report(0.53, Basis.BASE_RATE), "0.530 is the bundle's base rate: this network was not measured"),
        (
            measured(0.58, 0.5, 0.9, basis=Basis.BASE_RATE, probability=0.5),
            "0.500 is the bundle's base rate: this network cannot be judged",
        ),
    ],
)
def test_a_base_rate_is_told_as_the_bundles_own(report: Report, meaning: str) -> None:
    assert explanation(report).meaning == meaning


def test_the_usual_range_holds_eight_in_ten() -> None:
    assert usual_range(tuple(float(number) for number in range(11))) == (1.0, 9.0)
