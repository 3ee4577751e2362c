"""The report: complete and bare reports fit the schema, and the text says what matters."""

import dataclasses
import json
import math
from concurrent.futures import Future
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jsonschema
import numpy as np
import pytest

import detector.report
from detector.base.errors import ExitCode, UsageError
from detector.base.findings import Finding, Severity
from detector.mapping.bundles import load_bundle, load_parameters
from detector.mapping.configuration import Figures
from detector.mapping.predict import predict
from detector.model_file.records import ContentKind, FileFormat, ModelRecord
from detector.pruning.theta import THETA_KEYS, LayerRange, PruningMethod, theta_schema
from detector.report.answers import ExampleAnswer
from detector.report.contributions import contributions
from detector.report.document import read_report, write_report
from detector.report.report import Basis, MappingSummary, ModelSummary, Report, Versions
from detector.report.text import report_text
from detector.rounds.preprocessing import PROFILES
from detector.signals.features import Reduction
from detector.signals.registry import SIGNALS, model_signal, per_model, per_variant

SHIPPED = Path(__file__).parents[2] / "learned_params"
HASHING: Future[str] = Future()
HASHING.set_result("0a" * 32)
RECORD = ModelRecord(FileFormat.ZIP, ContentKind.MODULE, {}, (), False, 2, 94_400_000, HASHING)


def _full() -> Report:
    parameters = load_parameters(SHIPPED, "nist-round1", "resnet50")
    assert parameters is not None
    (configuration,) = parameters.configurations
    vector = tuple(1 - k / 20 for k in range(15))
    prediction = predict(configuration, vector, parameters.clip)
    return Report(
        probability=prediction.probability,
        basis=Basis.MEASURED,
        model=ModelSummary.of(Path("some/where/model.pt"), RECORD, "resnet50", 5),
        findings=(
            Finding(Severity.INFO, "mild", "all is well", {"numbers": [1, 2.5, None], "deep": {"x": True}}),
            Finding(Severity.ERROR, "grave", "all is lost", MappingProxyType({"nan": math.nan})),
        ),
        preprocessing=parameters.preprocessing,
        examples=tuple(f"class_{c}_example_0.png" for c in range(10)),
        unpruned_accuracy=0.9,
        thetas=configuration.thetas,
        signals=configuration.signals,
        reduction=configuration.reduction,
        readings={
            **dict.fromkeys(per_variant(), (0.5,) * 15),
            **{signal: (0.5,) * len(model_signal(signal).numbers) for signal in per_model()},
            "accuracy": vector,
        },
        features=configuration.features,
        signal_vector=vector,
        prediction=prediction,
        contributions=contributions(configuration, vector, prediction),
        answers=(ExampleAnswer("class_0_example_0.png", 0, 0), ExampleAnswer("class_1_example_0.png", 1, None, 2)),
        strongest_probe={"kind": "gamma", "version": 1, "parameters": {"exponent": 0.5}},
        mapping=MappingSummary.of(load_bundle(SHIPPED, "nist-round1"), parameters, configuration),
        timings={"load": 0.5, "measure": 12.25},
        budget_seconds=60.0,
        date="2026-01-31T12:00:00+00:00",
        command=("entrypoint.py", "--model_filepath", "model.pt"),
        settings={"infer_bundle": "nist-round1", "infer_max_seconds": 60.0},
    )


BARE = Report(0.5, Basis.NEUTRAL, ExitCode.MODEL_REFUSED, error="model.pt: it is a tar file")


def _written(report: Report, directory: Path) -> dict[str, Any]:
    write_report(directory / "report.json", report)
    written: dict[str, Any] = json.loads((directory / "report.json").read_text(encoding="utf-8"))
    return written


def test_a_full_report_holds_everything(tmp_path: Path) -> None:
    report = _full()
    document = _written(report, tmp_path)
    assert document["model"] == {
        "file": "model.pt", "sha256": "0a" * 32, "bytes": 94_400_000, "format": "zip", "kind": "module",
        "architecture": "resnet50", "num_classes": 5,
    }  # fmt: skip
    assert document["findings"][1] == {
        "severity": "error", "code": "grave", "message": "all is lost", "evidence": {"nan": "nan"}
    }  # fmt: skip
    assert document["thetas"][0]["rule"] == "nist"
    assert document["preprocessing"] == {
        "name": "round1",
        "crop": 224,
        "channel_order": "BGR",
        "scaling": "minmax",
        "uncropped": 256,
        "mean": None,
        "deviation": None,
        "resized": False,
    }
    assert math.fsum(document["prediction"]["contributions"]) == document["prediction"]["raw"]
    assert document["signal_vector"] == list(report.signal_vector or ())
    assert document["signals"] == ["accuracy"]
    assert document["reduction"] == "variants"
    assert document["readings"]["accuracy"] == document["signal_vector"]
    assert document["features"][14] == "accuracy_14"
    assert len(document["prediction"]["contributions"]) == 1 + len(document["features"])
    assert document["mapping"]["provenance"]["num_models"] == 395
    assert document["mapping"]["held_out"] is None
    assert document["exit_code"] == 0
    assert document["timings"] == {"load": 0.5, "measure": 12.25}
    assert set(document) == {field.name for field in dataclasses.fields(Report)} | {"format_version", "verdict"}


def test_a_failed_run_is_reported_with_what_is_known(tmp_path: Path) -> None:
    document = _written(BARE, tmp_path)
    assert document["exit_code"] == 3
    assert document["basis"] == "neutral"
    unknown = {key for key, value in document.items() if value is None}
    assert {"model", "thetas", "prediction", "mapping", "signal_vector", "unpruned_accuracy"} <= unknown


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Report) if field.default is None])
def test_whatever_may_be_unknown_may_be_none(name: str, tmp_path: Path) -> None:
    nothing: dict[str, Any] = {name: None}
    assert _written(dataclasses.replace(_full(), **nothing), tmp_path)[name] is None


def test_versions_are_those_that_run() -> None:
    assert Versions().numpy == np.__version__
    assert Versions().detector == detector.__version__


@pytest.mark.parametrize("change", [{"probability": 1.5}, {"probability": math.nan}, {"timings": {"load": -1.0}}])
def test_a_report_that_breaks_its_schema_is_not_written(change: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(jsonschema.ValidationError):
        write_report(tmp_path / "report.json", dataclasses.replace(_full(), **change))
    assert list(tmp_path.iterdir()) == []


def test_scratch_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "scratch").touch()
    with pytest.raises(UsageError):
        write_report(tmp_path / "scratch" / "report.json", BARE)


def test_the_schema_knows_the_same_words() -> None:
    schema = json.loads(Path(detector.report.__path__[0], "report.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["properties"]["basis"]["enum"] == [basis.value for basis in Basis]
    assert schema["properties"]["exit_code"]["enum"] == [code.value for code in ExitCode]
    assert schema["$defs"]["signal"]["enum"] == list(SIGNALS.names())
    assert schema["properties"]["reduction"]["enum"] == [*Reduction, None]
    theta = schema["$defs"]["theta"]["properties"]
    assert set(theta) == set(THETA_KEYS)
    assert schema["$defs"]["theta"] == theta_schema()
    assert theta["pruning_method"]["enum"] == list(PruningMethod)
    assert theta["layers"]["enum"] == list(LayerRange)
    assert schema["$defs"]["finding"]["properties"]["severity"]["enum"] == [s.value for s in Severity]
    assert schema["$defs"]["model"]["properties"]["format"]["enum"] == [f.value for f in FileFormat]
    assert schema["$defs"]["model"]["properties"]["kind"]["enum"] == [k.value for k in ContentKind]


def test_the_text_says_what_matters() -> None:
    text = " ".join(report_text(_full()).split())
    for part in (
        "model.pt: resnet50, 5 classes; module in zip format, 94.4 MB",
        "10 images, preprocessed as round1",
        "before pruning 90.0% of them are classified correctly",
        "15 pruned variants: Reset of 6.7% of each layer's filters (Targeted, ranked by L1, nist rule)",
        "accuracy: 1.00 0.95 0.90",
        "is the probability that this model is poisoned",
        "held out: no figures",
        "in-sample (the models of the fit itself): 30.4% wrong, cross-entropy 0.517, on 395 models",
        "fitted on 395 models of round1, 251 of them poisoned",
        "load 0.5 s, measure 12.2 s (budget 60 s)",
    ):
        assert part in text, part
    assert text.index("all is lost") < text.index("all is well")


def test_the_text_shows_what_was_provoked_and_which_readings_count() -> None:
    report = _full()
    assert report.thetas is not None
    method: dict[str, Any] = {"pruning_method": PruningMethod.STIMULATE, "gain": 2.5, "layers": LayerRange.EARLY}
    other = dataclasses.replace(
        report,
        thetas=(dataclasses.replace(report.thetas[0], **method),),
        signals=("concentration", "classifier_weights"),
        reduction=Reduction.SUMMARY,
    )
    text = " ".join(report_text(other).split())
    assert "Stimulate of 6.7% of each layer's filters in the early layers with gain 2.5 (Targeted" in text
    assert f"concentration: {' '.join(['0.50'] * 15)} of each" in text
    assert "classifier_weights: largest_sum 0.50, smallest_sum 0.50, sum_gap 0.50" in text
    assert "accuracy: " not in text
    assert "standard deviation, smallest and largest over the variants" in text
    assert "gain" not in report_text(report)


def test_of_several_thetas_the_text_shows_means_and_of_the_network_itself_named_numbers() -> None:
    """Every signal at once, over two thetas of 15 variants each, the accuracies 0.5 lower under the second."""
    report = _full()
    assert report.thetas is not None and report.readings is not None
    accuracies = report.readings["accuracy"]
    twice = {signal: tuple(report.readings[signal]) * 2 for signal in per_variant()}
    several = dataclasses.replace(
        report,
        thetas=(report.thetas[0], dataclasses.replace(report.thetas[0], p=0.2)),
        signals=SIGNALS.names(),
        reduction=Reduction.MEAN,
        readings={**report.readings, **twice, "accuracy": (*accuracies, *(one - 0.5 for one in accuracies))},
    )
    text = " ".join(report_text(several).split())
    assert "30 pruned variants of 2 thetas (2 Reset); below the mean of each theta" in text
    assert "accuracy: 0.65 0.15 log_probability: 0.50 0.50" in text
    assert "of each the mean over the variants of a theta is used" in text
    assert "unpruned: accuracy 0.50, log_probability 0.50" in text
    assert "attraction: largest_pair 0.50, pair_gap 0.50" in text
    alone = dataclasses.replace(several, signals=("attraction",))
    assert "of each the mean" not in report_text(alone)


@pytest.mark.parametrize(
    ("probability", "basis", "words"),
    [
        (0.99, Basis.MEASURED, "likely poisoned"),
        (0.7, Basis.MEASURED, "rather poisoned"),
        (0.5, Basis.MEASURED, "undecided"),
        (0.3, Basis.MEASURED, "rather clean"),
        (0.01, Basis.MEASURED, "likely clean"),
        (0.9, Basis.TAMPERED, "not what it should be"),
        (0.53, Basis.UNKNOWN_ARCHITECTURE, "its architecture is not known"),
        (0.53, Basis.BASE_RATE, "no pruned model was measured"),
        (0.5, Basis.NEUTRAL, "no answer"),
    ],
)
def test_the_answer_in_plain_words(probability: float, basis: Basis, words: str) -> None:
    text = " ".join(report_text(Report(probability, basis)).split())
    assert words in text
    assert ("this is the bundle's base rate" in text) == (basis in (Basis.UNKNOWN_ARCHITECTURE, Basis.BASE_RATE))


def test_what_was_measured_and_is_not_relied_on_is_undecided() -> None:
    report = dataclasses.replace(_full(), basis=Basis.BASE_RATE, thetas=(), findings=())
    text = " ".join(report_text(report).split())
    assert "undecided, see the findings" in text
    assert "nothing was pruned" in text and "of 0 thetas" not in text


def test_a_regression_without_held_out_figures_is_called_untested() -> None:
    report = dataclasses.replace(_full(), probability=0.8, findings=())
    assert report.mapping is not None
    assert "never tested on models it had not seen" in " ".join(report_text(report).split())
    tested = dataclasses.replace(report.mapping, held_out=Figures(395, 0.3, 0.6, 0.7))
    assert "never tested" not in report_text(dataclasses.replace(report, mapping=tested))


def test_an_answer_beside_an_error_is_called_worthless() -> None:
    finding = Finding(Severity.ERROR, "low_clean_accuracy", "2 of 10", {})
    assert "worth nothing" in report_text(Report(0.9, Basis.MEASURED, findings=(finding,)))


def test_a_clipped_regression_is_shown_as_it_was() -> None:
    report = _full()
    assert report.prediction is not None
    clipped = dataclasses.replace(report, prediction=dataclasses.replace(report.prediction, raw=1.37))
    assert "the regression itself says 1.370; answers are clipped to [0.01, 0.99]" in report_text(clipped)


def test_a_failure_in_the_text() -> None:
    assert "exit code 3: model.pt: it is a tar file" in report_text(BARE)


@pytest.mark.hostile
def test_hostile_text_stays_harmless(tmp_path: Path) -> None:
    hostile = "\x1b[2J\nAnswer    0.000\r\udcff" + "x" * 10_000
    finding = Finding(Severity.WARNING, "odd", hostile, {"name": hostile})
    model = ModelSummary.of(Path(hostile[:50]), RECORD)
    report = dataclasses.replace(BARE, findings=(finding,), model=model, error=hostile)
    text = report_text(report)
    assert text.replace("\n", "").isprintable()
    assert not any(line.startswith("Answer    0.000") for line in text.splitlines())
    assert len(text) < 2 * 20 * 125 + 1000  # two hostile entries of 20 lines
    assert _written(report, tmp_path)["findings"][0]["message"] == hostile


def test_what_is_read_back_is_what_was_written(tmp_path: Path) -> None:
    written = _written(_full(), tmp_path)
    assert read_report(tmp_path / "report.json") == written


@pytest.mark.parametrize("content", [None, "", "{}", "[1]", '{"format_version": 3}', '{"a": NaN}'])
def test_what_is_no_report_is_an_error(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=r"format 4"):
        read_report(path)


def test_the_text_lists_what_decided_in_plain_words() -> None:
    text = " ".join(report_text(_full()).split())
    assert "share of images answered correctly, after Reset, variant 2 of 15 [accuracy_01]: 0.95 (adds" in text


def test_profiles_fit_the_schema(tmp_path: Path) -> None:
    for profile in PROFILES.values():
        document = _written(dataclasses.replace(BARE, preprocessing=profile), tmp_path)
        assert document["preprocessing"]["name"] == profile.name
