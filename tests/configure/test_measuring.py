"""Measurements of labelled models: the same vectors as a detection's, kept, and never taken for another model's."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from detector.clock import Budget, SystemClock
from detector.configure.measuring import MeasuredModel, Measurement, Reading, Store, measure_models
from detector.configure.rounds import LabelledModel, LeftOut
from detector.detect import Detection, Request
from detector.examples.preprocessing import PROFILES
from detector.mapping.bundles import Bundle, write_bundle
from detector.mapping.parameters import Clip, Configuration, LearnedParameters, MappingKind, Provenance
from detector.mapping.signals import Signal
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.settings import Settings

THETA = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, 3, 2)
MEASUREMENT = Measurement(THETA, Signal.ACCURACY, PROFILES["rgb_minmax"])
READING = Reading((0.5, 1.0), 0.9)


def measured(
    *models: LabelledModel, measurement: Measurement = MEASUREMENT, store: Store | None = None
) -> tuple[list[MeasuredModel], list[LeftOut]]:
    return measure_models(models, measurement, store or Store(None), SystemClock())


@pytest.fixture
def labelled(small_case: Any) -> LabelledModel:
    return LabelledModel("id-00000000", small_case.model, small_case.examples, poisoned=True)


def forbid_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    def engine(*_: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr("detector.measurement.engine.PackedEngine", engine)


def test_the_vector_is_that_of_a_detection(labelled: LabelledModel, tmp_path: Path) -> None:
    (model,), left_out = measured(labelled)
    assert left_out == []
    assert (model.name, model.architecture, model.poisoned) == ("id-00000000", "squeezenetv1_1", True)
    assert (model.reading.unpruned_accuracy, model.doubtful) == (1.0, False)
    configuration = Configuration(THETA, Signal.ACCURACY, MappingKind.LINEAR, 0.0, (0.0,) * 3)
    origin = Provenance("by hand", 2, 1, "none", "this test")
    preprocessing = MEASUREMENT.preprocessing
    learned = LearnedParameters("squeezenetv1_1", preprocessing, 0.5, Clip(), (configuration,), origin)
    write_bundle(tmp_path, Bundle("by-hand", "1", "for this test", 0.5), [learned])
    settings = Settings("by-hand", 600.0, None, save_logits=False, tampered_probability=0.9, threads=1)
    clock = SystemClock()
    request = Request(labelled.model_filepath, labelled.examples_dirpath, tmp_path)
    report = Detection(request, settings, Budget(clock, clock.now(), 600.0)).run()
    assert model.reading.vector == report.signal_vector


def test_a_second_run_measures_nothing(
    labelled: LabelledModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = measured(labelled, store=Store(tmp_path / "scratch"))
    forbid_measuring(monkeypatch)
    moved = replace(labelled, name="elsewhere/id-00000007", poisoned=False)  # it is the file that counts
    (again,), _ = measured(moved, store=Store(tmp_path / "scratch"))
    assert again.reading == first[0][0].reading
    assert (again.name, again.poisoned) == ("elsewhere/id-00000007", False)


@pytest.mark.parametrize(
    "other",
    [
        replace(MEASUREMENT, theta=replace(THETA, p=0.2)),
        replace(MEASUREMENT, theta=replace(THETA, num_images=3)),
        replace(MEASUREMENT, preprocessing=PROFILES["round2"]),
    ],
)
def test_another_measurement_is_another_key(
    other: Measurement, labelled: LabelledModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured(labelled, store=Store(tmp_path))
    forbid_measuring(monkeypatch)
    with pytest.raises(AssertionError, match="measured again"):
        measured(labelled, measurement=other, store=Store(tmp_path))


def test_models_that_cannot_be_measured_are_left_out(
    labelled: LabelledModel, tampered_case: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = {
        "refused": replace(labelled, name="refused", model_filepath=tmp_path / "none.pt"),
        "tampered": replace(labelled, name="tampered", model_filepath=tampered_case.model),
        "twin": replace(labelled, name="twin"),
    }
    with caplog.at_level(logging.INFO):
        models, left_out = measured(labelled, *broken.values())
    assert [model.name for model in models] == ["id-00000000"]
    reasons = {one.name: one.reason for one in left_out}
    assert list(reasons) == list(broken)
    assert "none.pt" in reasons["refused"]
    assert "tampered with: " in reasons["tampered"]
    assert reasons["twin"] == "the same file as id-00000000"
    assert "4 of 4 models" in caplog.text


def test_a_model_without_examples_is_left_out(labelled: LabelledModel, tmp_path: Path) -> None:
    models, (left_out,) = measured(replace(labelled, examples_dirpath=tmp_path))
    assert models == []
    assert "no usable example image" in left_out.reason


def test_failing_at_clean_examples_is_doubtful(labelled: LabelledModel) -> None:
    """BGR, for a network fitted to RGB: wrong on all 5 images."""
    theta = replace(THETA, num_images=5)
    (model,), _ = measured(labelled, measurement=Measurement(theta, Signal.ACCURACY, PROFILES["round1"]))
    assert model.reading.unpruned_accuracy < 0.5
    assert model.doubtful


def test_a_line_that_was_cut_short_costs_itself_alone(tmp_path: Path) -> None:
    keys = [json.dumps({"model": name}) for name in "abc"]
    store = Store(tmp_path)
    store.put(keys[0], READING)
    store.put(keys[1], READING)
    path = tmp_path / "measurements.jsonl"
    path.write_text(path.read_text().rstrip()[:-5])  # killed while writing the second
    resumed = Store(tmp_path)
    assert resumed.get(keys[0]) == READING
    assert resumed.get(keys[1]) is None
    resumed.put(keys[2], READING)
    assert Store(tmp_path).get(keys[2]) == READING


@pytest.mark.parametrize("line", ["[]", "7", '{"key": {}}', '{"key": {}, "reading": {"vector": 1}}', "{", "\x00"])
def test_lines_of_nonsense_are_skipped(line: str, tmp_path: Path) -> None:
    (tmp_path / "measurements.jsonl").write_text(line + "\n")
    Store(tmp_path).put("{}", READING)
    assert Store(tmp_path).get("{}") == READING


def test_scratch_that_cannot_be_written_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "scratch").touch()
    store = Store(tmp_path / "scratch")
    store.put("{}", READING)
    store.put("{}", READING)
    assert store.get("{}") == READING
    assert caplog.text.count("measurements are not kept") == 1
