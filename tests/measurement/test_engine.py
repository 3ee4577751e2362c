"""The packed engine against eager PyTorch: the same logits for any patches, with any number of threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch

from detector.base.budget import Budget
from detector.base.clock import SystemClock
from detector.graph.reference import reference_graph
from detector.measurement.engine import PackedEngine, _has_fewer_outputs_than_weights
from detector.measurement.measure import Measurer
from detector.measurement.plan import Step
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.pruning.variant import RowPatch
from detector.pruning.variants import make_variants

Network = Callable[..., torch.nn.Module]
Oracle = Callable[..., np.ndarray]

RNG = np.random.default_rng(0)
IMAGES = RNG.random((2, 3, 96, 96), dtype=np.float32)


def arrays_of(network: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in network.state_dict().items()}


def close(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * max(1.0, float(np.abs(expected).max())))
    assert (found.argmax(1) == expected.argmax(1)).all()


# One of each family; tests/test_table.py runs all architectures from the file to the logits.
FAMILIES = ("densenet121", "googlenet", "mobilenetv2", "resnet50", "shufflenet1_0", "squeezenetv1_1")


@pytest.mark.parametrize("name", FAMILIES)
def test_variants_answer_as_eager_pytorch_does(name: str, random_network: Network, eager_logits: Oracle) -> None:
    network = random_network(name)
    arrays = arrays_of(network)
    engine = PackedEngine(reference_graph(name), arrays)
    close(engine.logits(IMAGES), eager_logits(network, IMAGES))
    for method in PruningMethod:
        theta = Theta(method, SamplingMethod.TARGETED, RankingMethod.L1, p=0.05, num_pruned_models=2, num_images=2)
        for variant in make_variants(arrays, reference_graph(name), theta):
            close(engine.logits(IMAGES, variant.patches), eager_logits(network, IMAGES, variant.patches))


@pytest.fixture
def small(random_network: Network) -> torch.nn.Module:
    return random_network("resnet18", num_classes=5)


def test_patches_with_values_reach_weights_scales_biases_and_the_classifier(
    small: torch.nn.Module, eager_logits: Oracle
) -> None:
    rows = np.array([1, 4])
    patches = [
        RowPatch("conv1.weight", rows, RNG.normal(size=(2, 3, 7, 7)).astype(np.float32)),
        RowPatch("bn1.weight", np.array([0, 4]), np.array([3, -4], dtype=np.float32)),
        RowPatch("bn1.bias", rows),
        RowPatch("fc.weight", np.array([2]), RNG.normal(size=(1, 512)).astype(np.float32)),
        RowPatch("fc.bias", rows, np.array([0.5, -2], dtype=np.float32)),
    ]
    expected = eager_logits(small, IMAGES, patches)
    assert np.abs(expected - eager_logits(small, IMAGES)).max() > 0.1
    close(PackedEngine(reference_graph("resnet18"), arrays_of(small)).logits(IMAGES, patches), expected)


def test_read_only_arrays_are_used_in_place_and_never_changed(small: torch.nn.Module) -> None:
    arrays = {name: value.copy() for name, value in arrays_of(small).items()}
    for value in arrays.values():
        value.setflags(write=False)
    before = {name: value.copy() for name, value in arrays.items()}
    engine = PackedEngine(reference_graph("resnet18"), arrays)
    engine.logits(IMAGES, [RowPatch("conv1.weight", np.array([0])), RowPatch("fc.weight", np.array([0]))])
    for name, value in arrays.items():
        np.testing.assert_array_equal(value, before[name])


def test_misaligned_arrays_are_copied(small: torch.nn.Module, eager_logits: Oracle) -> None:
    arrays = {}
    for name, value in arrays_of(small).items():
        odd = np.frombuffer(b"x" + value.tobytes(), dtype=np.uint8)[1:].view(value.dtype).reshape(value.shape)
        arrays[name] = odd
    close(PackedEngine(reference_graph("resnet18"), arrays).logits(IMAGES), eager_logits(small, IMAGES))


@pytest.fixture
def dense(random_network: Network) -> torch.nn.Module:
    return random_network("densenet121", num_classes=5)


NORM = "features.denseblock2.denselayer5.norm1"  # in front of a convolution


@pytest.mark.parametrize("scale", [-1.5, 0.0, 1e-3, -1e-12, 1e-37])
@pytest.mark.parametrize("shift", [2.0, 0.0, -2.0, -1e4, -1e9])
def test_a_norm_in_front_of_a_convolution_may_have_any_scale(
    dense: torch.nn.Module, eager_logits: Oracle, scale: float, shift: float
) -> None:
    """Negative ones, zeros as Reset leaves them, tiny ones; with 1e-37 the bound overflows, and is done without.

    Shifts far below zero make channels that are 0 in every image: whoever made the file may choose them.
    """
    rows = np.arange(0, 40, 3)
    values = [np.full(len(rows), value, dtype=np.float32) for value in (scale, shift)]
    patches = [RowPatch(f"{NORM}.{name}", rows, value) for name, value in zip(("weight", "bias"), values, strict=True)]
    expected = eager_logits(dense, IMAGES, patches)
    assert np.abs(expected - eager_logits(dense, IMAGES)).max() > 1e-3
    close(PackedEngine(reference_graph("densenet121"), arrays_of(dense)).logits(IMAGES, patches), expected)


def test_a_norm_in_front_of_a_convolution_may_be_infinite(dense: torch.nn.Module, eager_logits: Oracle) -> None:
    patches = [RowPatch(f"{NORM}.weight", np.array([3]), np.array([np.inf], dtype=np.float32))]
    found = PackedEngine(reference_graph("densenet121"), arrays_of(dense)).logits(IMAGES, patches)
    np.testing.assert_array_equal(found, eager_logits(dense, IMAGES, patches))
    assert np.isnan(found).all()


def test_every_channel_of_growing_concatenations_is_where_it_belongs(
    dense: torch.nn.Module, eager_logits: Oracle
) -> None:
    """One image of one pixel in the last block, where strides say least; and many threads over one engine."""
    images = RNG.random((1, 3, 32, 32), dtype=np.float32)
    engine = PackedEngine(reference_graph("densenet121"), arrays_of(dense))
    close(engine.logits(images), eager_logits(dense, images))
    with ThreadPoolExecutor(3) as pool:
        for found in pool.map(lambda _: engine.logits(IMAGES), range(6)):
            close(found, eager_logits(dense, IMAGES))


def silenced(row: int) -> tuple[RowPatch, ...]:
    """In an early layer, which is packed anew, and in a late one, whose outputs are laid over."""
    return tuple(RowPatch(f"{layer}.conv1.weight", np.array([row])) for layer in ("layer1.0", "layer4.1"))


def test_the_way_to_silence_a_filter_is_the_one_of_less_work(
    small: torch.nn.Module, eager_logits: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outputs of the late layer are fewer than its weights, those of the early one are not; both ways are right."""
    asked: dict[str, bool] = {}

    def noted(step: Step, *others: Any) -> bool:
        return asked.setdefault(step.module, _has_fewer_outputs_than_weights(step, *others))

    expected = eager_logits(small, IMAGES, silenced(3))
    for decided in (noted, lambda *_: True, lambda *_: False):
        monkeypatch.setattr("detector.measurement.engine._has_fewer_outputs_than_weights", decided)
        close(PackedEngine(reference_graph("resnet18"), arrays_of(small)).logits(IMAGES, silenced(3)), expected)
    assert asked == {"layer1.0.conv1": False, "layer4.1.conv1": True}


def test_answers_are_the_same_to_the_bit_with_any_number_of_threads(small: torch.nn.Module) -> None:
    engine = PackedEngine(reference_graph("resnet18"), arrays_of(small))
    patches = [silenced(s) for s in range(8)]
    alone = [engine.logits(IMAGES, one) for one in patches]
    for workers in (2, 4):
        with ThreadPoolExecutor(workers) as pool:
            together = list(pool.map(lambda one: engine.logits(IMAGES, one), patches))
        for one, other in zip(alone, together, strict=True):
            assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "shufflenet1_0"])
def test_measured_logits_are_the_same_to_the_bit_with_any_number_of_workers(name: str, random_network: Network) -> None:
    """Each time from a new engine, so that it also does not matter who packs first."""
    arrays, graph = arrays_of(random_network(name, num_classes=5)), reference_graph(name)
    images = RNG.random((8, 3, 64, 64), dtype=np.float32)
    theta = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.07, 5, len(images))
    found = set()
    for workers in (1, 2, 4):
        budget = Budget(SystemClock(), SystemClock().now(), 1e9)
        measurer = Measurer(PackedEngine(graph, arrays), budget, workers=workers)
        unpruned = measurer.unpruned(images)
        pruned = measurer.variants(make_variants(arrays, graph, theta), 5, images)
        assert unpruned is not None and pruned is not None
        found.add((unpruned.tobytes(), pruned.tobytes()))
    assert len(found) == 1


def test_hostile_numbers_do_not_stop_the_engine(small: torch.nn.Module) -> None:
    small.get_buffer("bn1.running_var").fill_(-1.0)
    small.get_parameter("fc.weight").fill_(float("inf"))
    answer = PackedEngine(reference_graph("resnet18"), arrays_of(small)).logits(IMAGES)
    assert answer.shape == (2, 5)
    assert not np.isfinite(answer).any()
