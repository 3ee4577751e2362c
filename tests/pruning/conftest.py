"""Random networks of all architectures, and the application of variants to them."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import nn

from detector.architectures import ARCHITECTURES, build
from detector.pruning import RowPatch

CLASSES = 10


@functools.lru_cache(maxsize=4)  # tests leave the networks as they found them
def _random_network(name: str) -> nn.Module:
    """10 classes, VGG with a narrow classifier; batch normalisation is random too, since by default all scales tie."""
    with torch.device("meta"):
        network = build(ARCHITECTURES[name], CLASSES).eval()
        if name.startswith("vgg"):  # 120 million weights that no pruning touches
            for index, sizes in {0: (25088, 32), 3: (32, 32), 6: (32, CLASSES)}.items():
                network.get_submodule("classifier").register_module(str(index), nn.Linear(*sizes))
    network.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None and module.running_var is not None
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.normal_(0, 0.1, generator=generator)
                module.running_mean.normal_(0, 0.1, generator=generator)
                module.running_var.uniform_(0.5, 1.5, generator=generator)
            elif isinstance(module, nn.Conv2d | nn.Linear):
                bound = (6 / module.weight[0].numel()) ** 0.5
                module.weight.uniform_(-bound, bound, generator=generator)
                if module.bias is not None:
                    module.bias.uniform_(-0.1, 0.1, generator=generator)
    return network


@pytest.fixture(scope="session")
def random_network() -> Callable[[str], nn.Module]:
    return _random_network


@pytest.fixture(scope="session")
def arrays() -> Callable[[nn.Module], dict[str, np.ndarray]]:
    return lambda network: {name: tensor.numpy() for name, tensor in network.state_dict().items()}


@pytest.fixture(scope="session")
def patched() -> Callable[[nn.Module, Sequence[RowPatch]], nn.Module]:
    """A copy of the network's parameters with the patches applied, in a module of the same structure."""

    def apply(network: nn.Module, patches: Sequence[RowPatch]) -> nn.Module:
        twin = copy.deepcopy(network)
        state = twin.state_dict()
        for patch in patches:
            values = 0.0 if patch.values is None else torch.from_numpy(patch.values)
            state[patch.parameter][torch.from_numpy(patch.rows)] = values
        return twin

    return apply
