"""The eager engine against a network whose state dict was changed by hand."""

import copy

import numpy as np
import pytest
import torch

from detector.measurement.engine import EagerEngine
from detector.pruning.variant import RowPatch


@pytest.fixture
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(3, 6, 3), torch.nn.BatchNorm2d(6), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1)]
    return torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.Linear(6, 4)).eval()


IMAGES = np.random.default_rng(0).random((5, 3, 9, 9), dtype=np.float32)


def by_hand(network: torch.nn.Module, patches: list[RowPatch]) -> np.ndarray:
    changed = copy.deepcopy(network)
    with torch.no_grad():
        for patch in patches:
            parameter = changed.get_parameter(patch.parameter)
            for position, row in enumerate(patch.rows.tolist()):
                parameter[row] = 0.0 if patch.values is None else torch.as_tensor(patch.values[position])
        return changed(torch.from_numpy(IMAGES)).numpy()


def test_patches_apply_and_leave_no_trace(network: torch.nn.Module) -> None:
    engine = EagerEngine(network, threads=1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    rows = np.array([1, 4])
    patches = [
        RowPatch("0.weight", rows),
        RowPatch("0.bias", rows, np.array([0.5, -2], dtype=np.float32)),
        RowPatch("1.weight", np.array([0, 5]), np.array([3, 4], dtype=np.float32)),
    ]
    expected = by_hand(network, patches)
    assert not np.allclose(expected, by_hand(network, []), atol=1e-3)
    np.testing.assert_allclose(engine.logits(IMAGES, patches), expected, atol=1e-6)
    np.testing.assert_allclose(engine.logits(IMAGES), by_hand(network, []), atol=1e-6)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_weights_are_restored_after_a_failure(network: torch.nn.Module) -> None:
    engine = EagerEngine(network, threads=1)
    before = network.get_parameter("0.weight").clone()
    patches = [RowPatch("0.weight", np.array([0])), RowPatch("absent.weight", np.array([0]))]
    with pytest.raises(KeyError):
        engine.logits(IMAGES, patches)
    assert torch.equal(network.get_parameter("0.weight"), before)


def test_overlapping_patches_are_undone_in_reverse(network: torch.nn.Module) -> None:
    engine = EagerEngine(network, threads=1)
    before = network.get_parameter("0.weight").clone()
    engine.logits(IMAGES, [RowPatch("0.weight", np.array([0, 1])), RowPatch("0.weight", np.array([1, 2]))])
    assert torch.equal(network.get_parameter("0.weight"), before)
