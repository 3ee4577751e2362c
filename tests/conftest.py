"""Fixtures that several packages' tests share: the eager PyTorch oracle, and networks whose ranks do not tie."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
import torch

from detector.architectures import ARCHITECTURES, build
from detector.pruning.variant import RowPatch

Arrays = Mapping[str, np.ndarray]


def random_network(name: str, num_classes: int = 10, seed: int = 0) -> torch.nn.Module:
    """A network in evaluation mode whose batch normalisations have random scales and statistics."""
    torch.manual_seed(seed)
    network = build(ARCHITECTURES[name], num_classes).eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.1)
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network


def eager_logits(network: torch.nn.Module, images: np.ndarray, patches: Sequence[RowPatch] = ()) -> np.ndarray:
    """What torchvision's own code answers, with the patches written into the network and taken back."""
    parameters = dict(network.named_parameters())
    before = {patch.parameter: parameters[patch.parameter].clone() for patch in patches}
    with torch.inference_mode():
        for patch in patches:
            values = 0.0 if patch.values is None else torch.from_numpy(patch.values)
            parameters[patch.parameter][torch.from_numpy(patch.rows)] = values
        answer: np.ndarray = network(torch.from_numpy(images)).numpy()
        for name, values in before.items():
            parameters[name].copy_(values)
    return answer


@pytest.fixture(name="random_network")
def random_network_fixture() -> Callable[..., torch.nn.Module]:
    return random_network


@pytest.fixture(name="eager_logits")
def eager_logits_fixture() -> Callable[..., np.ndarray]:
    return eager_logits
