"""Files of readings: found by name whatever the order, told where something is missing, and the old format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detector.base.errors import ExitCode
from detector.examples.choice import ImageChoice
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.signals.features import ModelFeature, Reduction, VariantFeature, make_features
from detector.signals.registry import SIGNALS, VariantSignal, model_signal
from detector.sweep.readings import ArchitectureReadings, MissingSignalError, read_readings, write_readings

THETA = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, 5, 10)
IMAGES = ImageChoice.of(THETA)
STORED = Path(__file__).resolve().parents[2] / "measurements" / "small"

Make = Callable[..., ArchitectureReadings]


@pytest.fixture
def readings(make_readings: Make) -> ArchitectureReadings:
    return make_readings("resnet18", 0, (THETA, replace(THETA, num_images=20)), models=6)


def single(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32).astype(np.float64)


def test_what_was_written_is_read(readings: ArchitectureReadings, tmp_path: Path) -> None:
    write_readings(tmp_path / "one.npz", readings)
    write_readings(tmp_path / "two.npz", readings)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    read = read_readings(tmp_path / "one.npz")
    assert (read.signals, read.thetas, read.images) == (readings.signals, readings.thetas, readings.images)
    assert read.versions == {name: SIGNALS[name].version for name in (*readings.signals, *readings.numbers)}
    for signal in ("unpruned", "attraction", "classifier_weights"):
        np.testing.assert_array_equal(read.numbers[signal], single(readings.numbers[signal]))
        assert read.number_names[signal] == model_signal(signal).numbers
    np.testing.assert_array_equal(read.variants[1], single(readings.variants[1]))


def test_the_order_of_columns_and_numbers_is_no_matter(readings: ArchitectureReadings, tmp_path: Path) -> None:
    turned = replace(
        readings,
        signals=readings.signals[::-1],
        variants=tuple(one[:, :, ::-1] for one in readings.variants),
        numbers={name: values[:, :, ::-1] for name, values in readings.numbers.items()},
        number_names={name: names[::-1] for name, names in readings.number_names.items()},
    )
    write_readings(tmp_path / "turned.npz", turned)
    write_readings(tmp_path / "straight.npz", readings)
    features = make_features(("margin", "attraction", "accuracy", "unpruned"), Reduction.SUMMARY, [5])
    expected = read_readings(tmp_path / "straight.npz").features(features, [THETA])
    np.testing.assert_array_equal(read_readings(tmp_path / "turned.npz").features(features, [THETA]), expected)


def test_a_further_signal_changes_nothing_that_is_stored_and_is_told_where_it_is_needed(
    readings: ArchitectureReadings, tmp_path: Path
) -> None:
    write_readings(tmp_path / "old.npz", readings)
    before = readings.variant_readings("margin", THETA)
    with SIGNALS.with_entry(VariantSignal("later", 1, lambda answers: answers.logits[:, 0, 0])):
        read = read_readings(tmp_path / "old.npz")
        np.testing.assert_array_equal(read.variant_readings("margin", THETA), single(before))
        with pytest.raises(MissingSignalError, match=r"resnet18.*'later' is not among") as caught:
            read.features([VariantFeature("later_mean", "later", 0, "mean")], [THETA])
    assert caught.value.exit_code is ExitCode.PARAMETERS_INVALID


def test_another_version_is_another_signal(readings: ArchitectureReadings, tmp_path: Path) -> None:
    old = replace(readings, versions={**readings.versions, "margin": 7, "attraction": 0})
    write_readings(tmp_path / "old.npz", old)
    read = read_readings(tmp_path / "old.npz")
    assert read.variant_readings("accuracy", THETA).shape == (6, 5)
    with pytest.raises(MissingSignalError, match="'margin' was read by its version 7, it is version 1 now"):
        read.variant_readings("margin", THETA)
    with pytest.raises(MissingSignalError, match="attraction"):
        read.model_numbers("attraction", IMAGES)


def test_a_missing_number_and_other_images_are_told(readings: ArchitectureReadings) -> None:
    short = replace(readings, number_names={**readings.number_names, "unpruned": ("accuracy",) * 7})
    with pytest.raises(MissingSignalError, match="unpruned was stored without concentration"):
        short.model_numbers("unpruned", IMAGES)
    with pytest.raises(MissingSignalError, match="unpruned"):
        readings.model_numbers("unpruned", ImageChoice(77))


def test_the_old_format_holds_a_row_for_each_theta_and_no_names() -> None:
    read = read_readings(STORED / "resnet18.npz")
    with np.load(STORED / "resnet18.npz") as arrays:
        unpruned, attraction, weights = arrays["unpruned"], arrays["attraction"], arrays["classifier"]
        variants = [arrays[f"variants{k}"] for k in range(len(read.thetas))]
    assert len(read.images) < len(read.thetas)
    for number, theta in enumerate(read.thetas):
        images = ImageChoice.of(theta)
        np.testing.assert_array_equal(read.model_numbers("unpruned", images), unpruned[number])
        np.testing.assert_array_equal(read.model_numbers("attraction", images), attraction[number])
        np.testing.assert_array_equal(read.model_numbers("classifier_weights", images), weights)
        np.testing.assert_array_equal(read.variant_readings("margin", theta), variants[number][:, :, 2])
    (feature,) = read.features([ModelFeature("x", "unpruned", "log_classes")], read.thetas[:1]).T
    np.testing.assert_array_equal(feature, unpruned[0, :, -1])


def test_a_format_to_come_is_refused(readings: ArchitectureReadings, tmp_path: Path) -> None:
    write_readings(tmp_path / "one.npz", readings)
    with np.load(tmp_path / "one.npz") as arrays:
        held = {name: arrays[name] for name in arrays.files}
    text = held["header"].tobytes().replace(b'"format_version": 2', b'"format_version": 9')
    np.savez(tmp_path / "one.npz", **(held | {"header": np.frombuffer(text, np.uint8)}))
    with pytest.raises(ValueError, match="format 2 or 1, got 9"):
        read_readings(tmp_path / "one.npz")
