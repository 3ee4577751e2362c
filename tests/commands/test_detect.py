"""One detection: what is answered where nothing can be measured, and how the budget chooses among configurations.

Time is made by hand: the engine is a stand-in that moves the clock by a fixed time for each image.
"""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from detector.architectures import ARCHITECTURES, build
from detector.base.budget import Budget
from detector.base.errors import DeadlineError, ExamplesError, ExitCode, ModelRefusedError, ParametersError
from detector.base.findings import Severity
from detector.commands.detect import SMALLEST_INPUT, Detection, Request
from detector.commands.remarks import preprocessed_otherwise
from detector.commands.settings import Settings
from detector.examples.images import Examples, load_examples
from detector.graph.reference import reference_graph
from detector.mapping.bundles import Bundle, write_bundle
from detector.mapping.configuration import Clip, Configuration
from detector.mapping.parameters import LearnedParameters, Provenance
from detector.measurement.measure import SAFETY
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, SelectionRule, Theta
from detector.pruning.variant import RowPatch
from detector.pruning.variants import make_variants
from detector.report.report import Basis, Report
from detector.rounds.preprocessing import PROFILES, SMALL_INPUT_SIZE, SMALL_UNCROPPED_SIZE, Scaling
from detector.signals.attraction import ATTRACTION_STATISTICS, Attraction
from detector.signals.features import Reduction, feature_names
from detector.signals.registry import SIGNALS, per_variant, without_probes
from detector.torchvision_ops import torchvision_models

Run = Callable[..., Any]

SHIPPED = Path(__file__).resolve().parents[2] / "learned_params"
RESERVE = 2.0  # seconds that a budget keeps back
IMAGE_SECONDS = 0.1
BASE_RATE = 0.37
SETTINGS = Settings("by-hand", 60.0, None, save_logits=True, tampered_probability=0.9, threads=1)


@dataclass
class HandClock:
    """Moves only when told to."""

    seconds: float = 0.0

    def now(self) -> float:
        return self.seconds


@dataclass
class StandIn:
    """An engine that knows the images and their labels by heart, and takes its time."""

    clock: HandClock
    image_seconds: float
    known: Examples

    def logits(self, images: np.ndarray, patches: Sequence[RowPatch] = ()) -> np.ndarray:
        self.clock.seconds += self.image_seconds * len(images)
        rows = [int((self.known.images == image).all((1, 2, 3)).argmax()) for image in images]
        return np.eye(5, dtype=np.float32)[self.known.labels[rows]]


def configuration(pruned_models: int, images: int) -> Configuration:
    """The raw answer is the number of pruned models in per cent, as every accuracy is 1."""
    theta = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, pruned_models, images)
    return Configuration.of((theta,), ("accuracy",), Reduction.VARIANTS, "linear", 0.0, (0.01,) * pruned_models)


LARGE, MIDDLE, SMALL = configuration(20, 5), configuration(10, 5), configuration(12, 2)


@pytest.fixture
def detection(small_case: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Detection]:
    """Detections of the small case with the stand-in as their engine and a bundle of three configurations."""
    provenance = Provenance("by hand", 2, 1, "not at all", "this test")
    shuffled = (SMALL, LARGE, MIDDLE)
    learned = LearnedParameters("squeezenetv1_1", PROFILES["round2"], BASE_RATE, Clip(0.02, 0.98), shuffled, provenance)
    write_bundle(tmp_path, Bundle("by-hand", "1", "for this test", 0.5), [learned])

    known = load_examples(small_case.examples, PROFILES["round2"], 5, SelectionRule.PAPER)

    def make(seconds: float = 1e6, started: float = 0.0, image_seconds: float = IMAGE_SECONDS) -> Detection:
        clock = HandClock()
        monkeypatch.setattr(
            "detector.measurement.engine.PackedEngine", lambda graph, arrays: StandIn(clock, image_seconds, known)
        )
        request = Request(small_case.model, small_case.examples, tmp_path)
        return Detection(request, SETTINGS, Budget(clock, started, seconds, RESERVE))

    return make


def dropped(report: Report) -> list[Mapping[str, Any]]:
    return [finding.evidence for finding in report.findings if finding.code == "configuration_dropped"]


# The unpruned network answers for the five images of the costliest configuration; then it is known that S models on D
# images take SAFETY * S * D * IMAGE_SECONDS, 13 seconds; the next configuration, on the same images, 6.5; and the last
# one, on others, for which the unpruned network answers again, so much for S + 1 models: 3.38.
FIRST = 5 * IMAGE_SECONDS
NEEDED = {
    name: SAFETY * models * one.num_images * IMAGE_SECONDS
    for name, one, models in (("large", LARGE, 20), ("middle", MIDDLE, 10), ("small", SMALL, 13))
}


@pytest.mark.parametrize(
    ("seconds", "chosen", "left_out"),
    [
        (NEEDED["large"] + 0.1, LARGE, []),
        (NEEDED["large"] - 0.1, MIDDLE, [100]),
        (NEEDED["middle"] + 0.1, MIDDLE, [100]),
        (NEEDED["middle"] - 0.1, SMALL, [100, 50]),
        (NEEDED["small"] + 0.1, SMALL, [100, 50]),
    ],
)
def test_the_costliest_configuration_that_fits_is_measured(
    detection: Callable[..., Detection], seconds: float, chosen: Configuration, left_out: list[int]
) -> None:
    made = detection(FIRST + seconds + RESERVE)
    report = made.run()
    assert report.basis is Basis.MEASURED
    assert report.thetas == chosen.thetas
    assert report.probability == pytest.approx(chosen.thetas[0].num_pruned_models / 100)
    assert [evidence["cost"] for evidence in dropped(report)] == left_out
    assert made.logits is not None
    assert made.logits.pruned.shape == (chosen.thetas[0].num_pruned_models, chosen.thetas[0].num_images, 5)
    assert report.examples == made.logits.names


def test_what_was_dropped_says_why(detection: Callable[..., Detection]) -> None:
    report = detection(FIRST + 8 + RESERVE).run()
    (finding,) = [finding for finding in report.findings if finding.code == "configuration_dropped"]
    assert finding.evidence == {
        "cost": 100,
        "needed_seconds": pytest.approx(13),
        "remaining_seconds": pytest.approx(8),
    }
    assert "20 pruned models on 5 images" in finding.message
    assert "13.0 s, margin included, 8.0 s were left" in finding.message


def test_where_none_fits_the_base_rate_of_the_architecture_is_the_answer(detection: Callable[..., Detection]) -> None:
    made = detection(FIRST + NEEDED["small"] - 0.1 + RESERVE)
    report = made.run()
    assert (report.basis, report.probability) == (Basis.BASE_RATE, BASE_RATE)
    assert [evidence["cost"] for evidence in dropped(report)] == [100, 50, 24]
    assert report.findings[-1].code == "out_of_time"
    assert report.unpruned_accuracy == 1.0
    assert made.logits is None


def slowed(monkeypatch: pytest.MonkeyPatch, extra: Callable[[int, int], float]) -> list[int]:
    """The stand-in takes `extra` seconds more for its call of that number and size; returns the sizes of all calls."""
    calls: list[int] = []
    plain = StandIn.logits

    def slow(self: StandIn, images: np.ndarray, patches: Sequence[RowPatch] = ()) -> np.ndarray:
        calls.append(len(images))
        self.clock.seconds += extra(len(calls), len(images))
        return plain(self, images, patches)

    monkeypatch.setattr(StandIn, "logits", slow)
    return calls


def test_a_configuration_that_becomes_too_slow_is_left_for_a_cheaper_one(
    detection: Callable[..., Detection], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the 5th of the 20 pruned models on, a neighbour makes everything ten times slower."""
    calls = slowed(monkeypatch, lambda number, images: 9 * IMAGE_SECONDS * images * (number > 3 + 4))
    report = detection(70.2 + RESERVE).run()
    # Of the last nine passes five were slow: 11 more would take 55 s of the 42.7 that are left, and MIDDLE even more.
    assert calls == [1, 1, 3] + [5] * 9 + [1, 1] + [2] * 12
    assert report.thetas == SMALL.thetas
    first, second = dropped(report)
    assert (first["cost"], second["cost"]) == (100, 50)
    assert first["remaining_seconds"] == pytest.approx(42.7)
    assert second["needed_seconds"] == pytest.approx(10 * NEEDED["middle"])
    messages = [finding.message for finding in report.findings if finding.code == "configuration_dropped"]
    assert "about 13.0 s were foreseen, but it took longer" in messages[0]
    assert "42.7 s were left" in messages[0]
    assert "it takes about 65.0 s" in messages[1]


def test_a_single_hiccup_costs_nothing(detection: Callable[..., Detection], monkeypatch: pytest.MonkeyPatch) -> None:
    """14 seconds during the 5th of the 20 pruned models, half of the budget."""
    calls = slowed(monkeypatch, lambda number, _: 14.0 * (number == 3 + 5))
    report = detection(30.1 + RESERVE).run()
    assert calls == [1, 1, 3] + [5] * 20
    assert report.thetas == LARGE.thetas
    assert dropped(report) == []


@pytest.mark.parametrize("seconds", [1.0, RESERVE, RESERVE + 2 * IMAGE_SECONDS])
def test_nothing_is_measured_that_would_miss_the_deadline(detection: Callable[..., Detection], seconds: float) -> None:
    """Not the unpruned network either: two images, the last of these budgets, tell the pace and no more."""
    made = detection(seconds)
    with pytest.raises(DeadlineError, match="nothing can be measured"):
        made.run()
    assert made.report.unpruned_accuracy is None
    assert made.report.basis is Basis.NEUTRAL
    assert [evidence["cost"] for evidence in dropped(made.report)] == [100, 50, 24]


def test_an_engine_that_comes_too_late_is_not_waited_for(
    detection: Callable[..., Detection], monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    made = detection(RESERVE + 0.2)
    monkeypatch.setattr("detector.commands.detect._import_engine", lambda: released.wait(20))
    try:
        with pytest.raises(DeadlineError, match="nothing can be measured"):
            made.run()
        assert [evidence["cost"] for evidence in dropped(made.report)] == [100, 50, 24]
        assert made.report.unpruned_accuracy is None
    finally:
        released.set()


def test_two_detections_may_import_the_engine_at_once() -> None:
    """The second one meets the module while its body still runs."""
    program = (
        "from detector.base.background import in_background\n"
        "from detector.commands.detect import _import_engine\n"
        "first, second = in_background(_import_engine), in_background(_import_engine)\n"
        "print(first.result().__name__, second.result().__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.stdout == "PackedEngine PackedEngine\n", done.stderr


def test_time_is_counted_from_the_start_of_the_process(detection: Callable[..., Detection]) -> None:
    with pytest.raises(DeadlineError, match=r"30\.0 s had passed"):
        detection(30, started=-30.0).run()


def judged(model: Path, examples: Path, directory: Path = SHIPPED, **settings: Any) -> Report:
    chosen = replace(SETTINGS, bundle="nist-round2", **settings)
    request = Request(model, examples, directory)
    return Detection(request, chosen, Budget(HandClock(), 0.0, 60.0)).run()


@pytest.mark.parametrize(("configured", "answered"), [(0.9, 0.9), (1.0, 0.99), (0.0, 0.01)])
def test_a_tampered_model_is_answered_as_configured(
    tampered_case: Any, tmp_path: Path, configured: float, answered: float
) -> None:
    """Without examples: they are not needed for it."""
    report = judged(tampered_case.model, tmp_path / "none", tampered_probability=configured)
    assert (report.basis, report.probability) == (Basis.TAMPERED, answered)
    (finding,) = [finding for finding in report.findings if finding.severity == "tampered"]
    assert "features.0" in str(finding.evidence)
    assert "stride" in str(finding.evidence)


def vision_transformer() -> torch.nn.Module:
    sizes = {"image_size": 32, "patch_size": 16, "hidden_dim": 24, "num_heads": 2, "num_layers": 2, "mlp_dim": 8}
    network: torch.nn.Module = torchvision_models().VisionTransformer(num_classes=5, **sizes)
    return network


@pytest.mark.parametrize(
    ("make", "nearest"),
    [
        (vision_transformer, None),
        (lambda: torchvision_models().mobilenet_v3_small(num_classes=5), None),
        (lambda: torchvision_models().shufflenet_v2_x0_5(num_classes=5), "shufflenet1_0"),  # the family is known
    ],
    ids=["ViT", "MobileNetV3", "ShuffleNetV2 x0.5"],
)
@pytest.mark.parametrize(("base_rate", "answered"), [(0.42, 0.42), (0.0, 0.01)])
def test_an_unknown_architecture_is_answered_with_the_base_rate(
    make: Callable[[], Any], nearest: str | None, base_rate: float, answered: float, tmp_path: Path
) -> None:
    torch.save(make(), tmp_path / "model.pt")
    write_bundle(tmp_path, Bundle("nist-round2", "1", "empty", base_rate), [])
    report = judged(tmp_path / "model.pt", tmp_path / "none", tmp_path)
    assert (report.basis, report.probability) == (Basis.UNKNOWN_ARCHITECTURE, answered)
    assert report.exit_code is ExitCode.ANSWERED
    assert not [finding for finding in report.findings if finding.severity == "tampered"]
    (finding,) = [finding for finding in report.findings if finding.code == "unknown_architecture"]
    assert finding.evidence["nearest"] == nearest
    assert (finding.evidence["distance"] == 1) is (nearest is None)


def test_an_architecture_that_the_bundle_lacks_is_answered_with_the_bundles_base_rate(
    small_case: Any, tmp_path: Path
) -> None:
    write_bundle(tmp_path, Bundle("nist-round2", "1", "empty", 0.42), [])
    report = judged(small_case.model, tmp_path / "none", tmp_path)
    assert (report.basis, report.probability) == (Basis.BASE_RATE, 0.42)
    (finding,) = [finding for finding in report.findings if finding.code == "nothing_learned"]
    assert finding.evidence == {"bundle": "nist-round2", "architecture": "squeezenetv1_1"}


def test_failures_leave_a_report_of_what_was_known(small_case: Any, tmp_path: Path) -> None:
    clock = Budget(HandClock(), 0.0, 60.0)
    settings = replace(SETTINGS, bundle="nist-round2")
    made = Detection(Request(small_case.model, tmp_path / "none", SHIPPED), settings, clock)
    with pytest.raises(ExamplesError):
        made.run()
    assert made.report.model is not None
    assert made.report.model.architecture == "squeezenetv1_1"
    assert set(made.report.timings) == {"load", "check", "examples"}
    with pytest.raises(ModelRefusedError):
        Detection(Request(tmp_path / "none.pt", small_case.examples, SHIPPED), settings, clock).run()
    with pytest.raises(ParametersError):
        Detection(Request(small_case.model, small_case.examples, tmp_path), settings, clock).run()


# The right size of images for the networks of small rounds, through all of a detection with the real engine.


@pytest.fixture(scope="module")
def small_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One image of each of 5 classes, of the size of small rounds on disk."""
    side = SMALL_UNCROPPED_SIZE
    folder, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(8)
    for label in range(5):
        Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(
            folder / f"class_{label}_example_0.png"
        )
    return folder


THETA = Theta(PruningMethod.AMPLIFY, SamplingMethod.UNIFORM, RankingMethod.L2, 0.03, 3, 5, gain=2.0)
EVERY = Configuration.of(
    (THETA,), SIGNALS.names()[:9], Reduction.SUMMARY, "logistic", 0.1, tuple(k / 100 for k in range(45))
)


def learned(directory: Path, preprocessing: str, configuration: Configuration = EVERY) -> Path:
    provenance = Provenance("by hand", 2, 1, "not at all", "this test")
    made = LearnedParameters("squeezenetv1_1", PROFILES[preprocessing], 0.5, Clip(), (configuration,), provenance)
    write_bundle(directory, Bundle("by-hand", "1", "for this test", 0.5), [made])
    return directory


def test_a_small_round_end_to_end(
    small_case: Any, small_images: Path, tmp_path: Path, eager_logits: Callable[..., np.ndarray]
) -> None:
    """The signal vector, worked out with PyTorch from the answers of torchvision's own network."""
    request = Request(small_case.model, small_images, learned(tmp_path, "small"))
    report = Detection(request, SETTINGS, Budget(HandClock(), 0.0, 1e6)).run()
    assert "other_image_size" not in {finding.code for finding in report.findings}
    assert report.preprocessing == PROFILES["small"]

    network = torch.load(small_case.model, weights_only=False)
    weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    margin = (SMALL_UNCROPPED_SIZE - SMALL_INPUT_SIZE) // 2
    pixels = [np.asarray(Image.open(path))[margin:-margin, margin:-margin] for path in sorted(small_images.iterdir())]
    images = np.stack(pixels).transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
    labels = torch.arange(5)
    variants = make_variants(weights, reference_graph("squeezenetv1_1"), THETA)
    logits = [eager_logits(network, images, patches) for patches in ((), *(variant.patches for variant in variants))]
    tensors = [torch.from_numpy(one).double() for one in logits]
    shares = torch.stack([tensor.softmax(1).mean(0).max() for tensor in tensors])
    losses = torch.stack([torch.nn.functional.cross_entropy(tensor, labels) for tensor in tensors])
    right = torch.stack([(tensor.argmax(1) == labels).double().mean() for tensor in tensors])

    assert report.readings is not None and report.features is not None and report.signal_vector is not None
    assert report.readings["accuracy"] == pytest.approx(right[1:].tolist())
    assert report.readings["log_probability"] == pytest.approx((losses[0] - losses[1:]).tolist(), abs=1e-4)
    assert report.readings["concentration"] == pytest.approx((shares[1:] - shares[0]).tolist(), abs=1e-4)
    vector = dict(zip(report.features, report.signal_vector, strict=True))
    assert vector["concentration_largest"] == pytest.approx((shares[1:].max() - shares[0]).item(), abs=1e-4)
    assert vector["log_probability_mean"] == pytest.approx((losses[0] - losses[1:].mean()).item(), abs=1e-4)
    assert report.features[0] == "accuracy_mean"
    assert vector["unpruned_log_probability"] == pytest.approx(-losses[0].item(), abs=1e-4)
    assert vector["unpruned_log_classes"] == pytest.approx(math.log(5))
    attraction = Attraction.of(logits[0], labels.numpy()).statistics()
    assert [vector[f"attraction_{name}"] for name in ATTRACTION_STATISTICS] == pytest.approx(attraction, abs=1e-4)
    assert report.prediction is not None
    assert report.prediction.contributions[1:] == pytest.approx(
        [k / 100 * value for k, value in enumerate(report.signal_vector)]
    )
    odds = math.exp(report.prediction.raw)
    assert report.probability == pytest.approx(min(max(odds / (1 + odds), 0.01), 0.99))


def test_several_thetas_are_measured_as_each_would_be_alone(
    small_case: Any, small_images: Path, tmp_path: Path
) -> None:
    thetas = (THETA, replace(THETA, pruning_method=PruningMethod.REMOVE, num_pruned_models=2, p=0.2))

    def report_of(*some: Theta) -> Report:
        names = feature_names(EVERY.signals, Reduction.MEAN, [theta.num_pruned_models for theta in some])
        chosen = Configuration.of(some, EVERY.signals, Reduction.MEAN, "logistic", 0.1, (0.1,) * len(names))
        request = Request(small_case.model, small_images, learned(tmp_path, "small", chosen))
        return Detection(request, SETTINGS, Budget(HandClock(), 0.0, 1e6)).run()

    together, *alone = report_of(*thetas), report_of(thetas[0]), report_of(thetas[1])
    assert together.readings is not None and together.signal_vector is not None and together.features is not None
    assert together.thetas == thetas
    for signal in per_variant():
        expected = [one.readings[signal] for one in alone if one.readings is not None]
        assert together.readings[signal] == [*expected[0], *expected[1]]
        vector = dict(zip(together.features, together.signal_vector, strict=True))
        assert vector[f"theta01_{signal}_mean"] == pytest.approx(np.mean(expected[1]))


@pytest.mark.parametrize(("fitted", "used"), [("small", "round2"), ("round1", "small"), ("rgb_minmax", "small")])
def test_images_of_another_size_are_measured_as_they_are(
    fitted: str, used: str, small_case: Any, small_images: Path, tmp_path: Path
) -> None:
    examples = small_images if used == "small" else small_case.examples
    request = Request(small_case.model, examples, learned(tmp_path, fitted))
    made = Detection(request, SETTINGS, Budget(HandClock(), 0.0, 1e6))
    report = made.run()
    assert report.basis is Basis.MEASURED
    assert report.preprocessing == PROFILES[used]
    (finding,) = [finding for finding in report.findings if finding.code == "other_image_size"]
    assert finding.severity is Severity.WARNING
    assert finding.evidence == {"used": used, "fitted": fitted}
    assert f"{PROFILES[used].crop} x" in finding.message
    assert "not validated" in finding.message
    assert made.logits is not None
    assert len(made.logits.labels) == 5


def test_sizes_that_were_learned_on_are_no_other_sizes() -> None:
    small, large = PROFILES["small"], PROFILES["small64"]
    brighter = replace(large, scaling=Scaling.MINMAX)
    assert preprocessed_otherwise(large, small, (48, 64)) is None
    swapped = preprocessed_otherwise(brighter, small, (48, 64))
    assert swapped is not None and swapped.code == "preprocessing_overridden"
    other = preprocessed_otherwise(PROFILES["round2"], small, (48, 56, 64))
    assert other is not None and other.code == "other_image_size"
    assert "224 x 224 pixels, learned on 48 to 64: not validated" in other.message
    alone = preprocessed_otherwise(large, small, ())
    assert alone is not None and "learned on 48:" in alone.message


def test_images_of_no_known_size_are_refused(small_case: Any, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Image.fromarray(np.zeros((100, 100, 3), np.uint8)).save(tmp_path / "images" / "class_0_example_0.png")
    request = Request(small_case.model, tmp_path / "images", learned(tmp_path, "small"))
    with pytest.raises(ExamplesError, match="100 x 100"):
        Detection(request, SETTINGS, Budget(HandClock(), 0.0, 1e6)).run()


def test_the_readings_of_the_chosen_configuration_are_told(detection: Callable[..., Detection]) -> None:
    """The stand-in is always right: only the accuracy, which is relative to nothing, is not 0."""
    report = detection(FIRST + NEEDED["small"] + 0.1 + RESERVE).run()
    assert report.readings is not None
    assert set(report.readings) == set(without_probes())
    for signal in per_variant():
        assert list(report.readings[signal]) == [1.0 if signal == "accuracy" else 0.0] * 12
    assert report.features == tuple(f"accuracy_{variant:02d}" for variant in range(12))
    assert report.signal_vector == (1.0,) * 12


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_smallest_inputs_are_those_of_torchvisions_networks(architecture: str) -> None:
    with torch.device("meta"):
        network = build(ARCHITECTURES[architecture], 5).eval()
    side = SMALLEST_INPUT.get(architecture, min(profile.crop for profile in PROFILES.values()))
    network(torch.empty(1, 3, side, side, device="meta"))
    if architecture in SMALLEST_INPUT:
        with pytest.raises(RuntimeError, match="greater than actual input"):
            network(torch.empty(1, 3, side - 1, side - 1, device="meta"))


def test_images_that_are_too_small_for_the_network_are_refused(
    small_case: Any, small_images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("detector.commands.detect.SMALLEST_INPUT", {"squeezenetv1_1": 200})
    made = learned(tmp_path, "small")
    with pytest.raises(ExamplesError, match="too small for squeezenetv1_1"):
        Detection(Request(small_case.model, small_images, made), SETTINGS, Budget(HandClock(), 0.0, 1e6)).run()
    assert Detection(
        Request(small_case.model, small_case.examples, made), SETTINGS, Budget(HandClock(), 0.0, 1e6)
    ).run()
