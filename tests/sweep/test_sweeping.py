"""One model under many thetas: the readings of separate detections, measured once, and reasons for what is left out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from detector.base.budget import Budget
from detector.base.clock import SystemClock
from detector.commands.detect import Detection, Request
from detector.commands.settings import Settings
from detector.examples.choice import ImageChoice
from detector.mapping.bundles import Bundle, write_bundle
from detector.mapping.configuration import Clip, Configuration
from detector.mapping.parameters import LearnedParameters, Provenance
from detector.measurement.engine import PackedEngine
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.report.report import Report
from detector.rounds.preprocessing import PROFILES
from detector.rounds.reading import LabelledModel, LeftOut
from detector.signals.features import Reduction, feature_names
from detector.signals.registry import per_variant, without_probes
from detector.sweep.readings import images_of
from detector.sweep.store import Store
from detector.sweep.sweeping import ModelReadings, Sweep, sweep_model

THETA = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, 3, 2)
PROFILE = PROFILES["rgb_minmax"]


@pytest.fixture
def labelled(small_case: Any) -> LabelledModel:
    history = {"final_train_loss": 0.25, "final_triggered_data_test_acc": 99.0, "converged": 1.0}
    return LabelledModel("id-00000000", small_case.model, small_case.examples, poisoned=True, history=history)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The number of images of every forward pass through a pruned network."""
    counts: list[int] = []
    logits = PackedEngine.logits

    def counting(self: PackedEngine, images: Any, patches: Any = ()) -> Any:
        counts.extend([len(images)] if patches else [])
        return logits(self, images, patches)

    monkeypatch.setattr(PackedEngine, "logits", counting)
    yield counts


def swept(model: LabelledModel, *thetas: Theta, scratch: Path | None = None, profile: str = PROFILE.name) -> Any:
    return sweep_model(model, Sweep(thetas, PROFILES[profile]), Store(scratch), SystemClock())


def detection(model: LabelledModel, theta: Theta, directory: Path) -> Report:
    every = without_probes()
    length = len(feature_names(every, Reduction.VARIANTS, [theta.num_pruned_models]))
    configuration = Configuration.of((theta,), every, Reduction.VARIANTS, "linear", 0.0, (0.0,) * length)
    origin = Provenance("by hand", 2, 1, "none", "this test")
    learned = LearnedParameters("squeezenetv1_1", PROFILE, 0.5, Clip(), (configuration,), origin)
    write_bundle(directory, Bundle("by-hand", "1", "for this test", 0.5), [learned])
    settings = Settings("by-hand", 600.0, None, save_logits=False, tampered_probability=0.9, threads=1)
    clock = SystemClock()
    request = Request(model.model_filepath, model.examples_dirpath, directory)
    return Detection(request, settings, Budget(clock, clock.now(), 600.0)).run()


OTHERS = (
    replace(THETA, num_pruned_models=5, num_images=4),
    replace(THETA, num_images=5),
    replace(THETA, pruning_method=PruningMethod.AMPLIFY, sampling_method=SamplingMethod.RANDOM),
)


@pytest.fixture(scope="module")
def together(small_case: Any) -> ModelReadings:
    model = LabelledModel("id-00000000", small_case.model, small_case.examples, poisoned=True)
    measured = swept(model, THETA, *OTHERS)
    assert isinstance(measured, ModelReadings)
    return measured


@pytest.mark.parametrize("number", range(4))
def test_readings_are_those_of_separate_detections(
    number: int, together: ModelReadings, labelled: LabelledModel, tmp_path: Path
) -> None:
    theta = (THETA, *OTHERS)[number]
    report = detection(labelled, theta, tmp_path)
    assert report.readings is not None
    assert together.variants[number].shape == (theta.num_pruned_models, len(per_variant()))
    for column, signal in enumerate(per_variant()):
        np.testing.assert_allclose(together.variants[number][:, column], report.readings[signal], atol=1e-4)
    place = images_of((THETA, *OTHERS)).index(ImageChoice.of(theta))
    for signal, tolerance in (("classifier_weights", 0.0), ("unpruned", 1e-4), ("attraction", 1e-4)):
        np.testing.assert_allclose(together.numbers[signal][place], report.readings[signal], atol=tolerance)


def test_one_theta_alone_is_a_detection_to_the_bit(labelled: LabelledModel, tmp_path: Path) -> None:
    report = detection(labelled, THETA, tmp_path)
    assert report.readings is not None
    (readings,) = swept(labelled, THETA).variants
    for column, signal in enumerate(per_variant()):
        assert readings[:, column].tolist() == list(report.readings[signal])


def test_what_is_told_of_the_model(labelled: LabelledModel, small_case: Any) -> None:
    """Norms are worked out from the file that torch has written, accuracy and confidence by the network itself."""
    measured = swept(labelled, replace(THETA, num_images=5))
    assert (measured.name, measured.architecture, measured.poisoned) == ("id-00000000", "squeezenetv1_1", True)
    assert not measured.doubtful
    network = torch.load(small_case.model, weights_only=False)
    weights = {name: tensor.double() for name, tensor in network.state_dict().items() if name.endswith("weight")}
    last = weights.pop("classifier.1.weight")
    assert measured.untouched["classifier_norm"] == pytest.approx(float(last.norm()), rel=1e-6)
    squares = sum(float((weight**2).sum()) for weight in weights.values())
    assert measured.untouched["convolution_norm"] == pytest.approx(squares**0.5, rel=1e-6)
    assert measured.untouched["scale_norm"] == 0.0
    assert measured.untouched["file_bytes"] == small_case.model.stat().st_size
    assert measured.untouched["accuracy"] == 1.0
    assert measured.untouched["loss"] == pytest.approx(-measured.numbers["unpruned"][0, 1])
    # Logit i of image i is 11, the others about 10.
    assert measured.untouched["confidence"] == pytest.approx(math.e / (math.e + 4), rel=0.1)
    assert measured.untouched["final_train_loss"] == 0.25
    assert not any("triggered" in name or name == "converged" for name in measured.untouched)


def test_sizes_that_are_parts_of_another_are_measured_once(labelled: LabelledModel, passes: list[int]) -> None:
    """5 windows on the 4 images of the largest |D| and the one more that |D| = 2 picks; never 3 windows apart."""
    measured = swept(labelled, THETA, replace(THETA, num_pruned_models=5, num_images=5))
    assert sum(passes) == 5 * 5
    assert [len(readings) for readings in measured.variants] == [3, 5]
    assert measured.seconds[0] == pytest.approx(measured.seconds[1] * (3 * 2) / (5 * 5))


def test_sizes_that_are_no_part_are_measured_apart(labelled: LabelledModel, passes: list[int]) -> None:
    swept(labelled, replace(THETA, num_images=5), replace(THETA, num_pruned_models=4, num_images=5))
    assert sum(passes) == (3 + 4) * 5


def test_a_second_run_measures_nothing(labelled: LabelledModel, passes: list[int], tmp_path: Path) -> None:
    first = swept(labelled, THETA, *OTHERS, scratch=tmp_path)
    passes.clear()
    moved = replace(labelled, name="elsewhere/id-00000007", poisoned=False)  # it is the file that counts
    again = swept(moved, THETA, *OTHERS, scratch=tmp_path)
    assert passes == []
    assert (again.name, again.poisoned) == ("elsewhere/id-00000007", False)
    for one, other in zip(first.variants, again.variants, strict=True):
        np.testing.assert_array_equal(one, other)
    assert again.seconds == first.seconds


def test_an_interrupted_run_goes_on(
    labelled: LabelledModel, passes: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the second theta, the first is not measured again; in the end all is as if nothing had happened."""
    with monkeypatch.context() as patch:
        number_of_calls = iter(range(2))

        def make_variants(*arguments: Any) -> Any:
            if next(number_of_calls) == 1:
                raise KeyboardInterrupt
            from detector.pruning.variants import make_variants

            return make_variants(*arguments)

        patch.setattr("detector.measurement.model_under_test.make_variants", make_variants)
        with pytest.raises(KeyboardInterrupt):
            swept(labelled, THETA, OTHERS[2], scratch=tmp_path)
    passes.clear()
    measured = swept(labelled, THETA, OTHERS[2], scratch=tmp_path)
    assert sum(passes) == 3 * 2
    for one, other in zip(measured.variants, swept(labelled, THETA, OTHERS[2]).variants, strict=True):
        np.testing.assert_array_equal(one, other)


def test_models_that_cannot_be_measured_are_left_out(
    labelled: LabelledModel, tampered_case: Any, tmp_path: Path
) -> None:
    expected = {
        "no-such-file.pt": replace(labelled, model_filepath=tmp_path / "no-such-file.pt"),
        "tampered with: ": replace(labelled, model_filepath=tampered_case.model),
        "no usable example image": replace(labelled, examples_dirpath=tmp_path),
    }
    for words, model in expected.items():
        left_out = swept(model, THETA)
        assert isinstance(left_out, LeftOut)
        assert left_out.name == "id-00000000"
        assert words in left_out.reason


def test_failing_at_clean_examples_is_doubtful(labelled: LabelledModel) -> None:
    """BGR, for a network fitted to RGB: wrong on most of 5 images."""
    measured = swept(labelled, replace(THETA, num_images=5), profile="round1")
    assert measured.untouched["accuracy"] < 0.5
    assert measured.doubtful
