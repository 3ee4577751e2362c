"""Remove against networks that are really smaller.

Four oracles, none of which reads `detector/pruning/coupling.py`: torchvision's own forward pass carries marks of the
removed channels to every layer that reads them (garbage there must not matter, and the network shrunk there must
compute the same); Torch-Pruning removes filters of the real network one layer after the other; ShuffleNet, which
neither can shrink, is computed by hand with the channels' places in a list.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from detector.architectures import ARCHITECTURES
from detector.graph.ir import Graph, Node, Op
from detector.graph.reference import reference_graph
from detector.pruning import PruningMethod, RankingMethod, SamplingMethod, Theta, Variant, make_variants
from detector.pruning.coupling import couple
from detector.pruning.method import UnsupportedNetworkError, methods

THETA = Theta(PruningMethod.REMOVE, SamplingMethod.TARGETED, RankingMethod.L1, 0.067, 3, 10)
TORCH_PRUNING = (
    *("resnet18", "resnet50", "wideresnet50", "mobilenetv2", "vgg11bn", "vgg16bn", "squeezenetv1_0", "squeezenetv1_1"),
    *("googlenet", "inceptionv3", "densenet121"),
)


def image(name: str) -> torch.Tensor:
    size = 96 if name == "inceptionv3" else 64
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(2))


def logits(network: Callable[[torch.Tensor], Any], name: str) -> np.ndarray:
    with torch.inference_mode():
        answer: np.ndarray = network(image(name)).numpy()
    return answer


def removed(network: nn.Module, variant: Variant) -> dict[str, torch.Tensor]:
    """(rows,) bool by parameter: what the variant takes away."""
    marks = {name: torch.zeros(len(tensor), dtype=torch.bool) for name, tensor in network.named_parameters()}
    for patch in variant.patches:
        assert patch.values is None
        marks[patch.parameter][torch.from_numpy(patch.rows)] = True
    return marks


def read_marks(network: nn.Module, name: str, marks: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """(columns,) bool by module path: which channels that a layer reads are gone.

    Layers answer with 1 in their removed channels and 0 in the others, and torchvision's code carries that on.
    """
    tracer: Any = copy.deepcopy(network)
    read: dict[str, torch.Tensor] = {}

    def answer(path: str, original: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
        def forward(x: torch.Tensor) -> torch.Tensor:
            read[path] = (x > 0).transpose(0, 1).flatten(1).any(1)
            shape = original(x).shape
            return marks[f"{path}.weight"].float().reshape(-1, *[1] * (len(shape) - 2)).expand(shape).clone()

        return forward

    for path, module in tracer.named_modules():
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d | nn.Linear):
            layer: Any = module
            layer.forward = answer(path, layer.forward)
    with torch.inference_mode():
        tracer(torch.zeros_like(image(name)))
    return read


Feature = tuple[torch.Tensor, list[int], int]  # (N, C, H, W), the places of its channels, how many there were


@dataclass(frozen=True)
class Case:
    """A network, the channels that its last variant removes, as rows and as columns, and the variant's logits."""

    name: str
    network: nn.Module
    zeroed: nn.Module
    marks: dict[str, torch.Tensor]
    read: dict[str, torch.Tensor]
    logits: np.ndarray


REMOVABLE = [name for name in ARCHITECTURES if methods()["Remove"].refusal(reference_graph(name)) is None]


def test_grouped_convolutions_are_all_that_remove_cannot_do(
    random_network: Callable[[str], Any], arrays: Callable[[Any], dict[str, np.ndarray]]
) -> None:
    """MobileNetV2 and ShuffleNet have depthwise ones, which it can."""
    assert set(ARCHITECTURES) - set(REMOVABLE) == {"resnext50_32x4d"}
    graph = reference_graph("resnext50_32x4d")
    with pytest.raises(
        UnsupportedNetworkError, match=r"Remove cannot shrink layer1\.0\.conv2, a convolution of 32 groups"
    ):
        make_variants({}, graph, THETA)
    with pytest.raises(UnsupportedNetworkError):  # whoever asks for the coupling itself
        couple(graph, arrays(random_network("resnext50_32x4d")))


@pytest.fixture(scope="module", params=REMOVABLE)
def case(
    request: pytest.FixtureRequest,
    random_network: Callable[[str], Any],
    arrays: Callable[[Any], dict[str, np.ndarray]],
    patched: Callable[..., Any],
) -> Case:
    name = request.param
    network = random_network(name)
    *_, variant = make_variants(arrays(network), reference_graph(name), THETA)
    marks, zeroed = removed(network, variant), patched(network, variant.patches)
    return Case(name, network, zeroed, marks, read_marks(network, name, marks), logits(zeroed, name))


def test_logits_equal_those_of_the_network_without_the_channels(case: Case) -> None:
    small: Any
    if case.name.startswith("shufflenet"):
        small = NarrowShuffleNet(case.network, case.marks)
    else:
        small = shrunk(case.network, case.marks, case.read)
        assert size(small) < 0.95 * size(case.network)
    np.testing.assert_allclose(case.logits, logits(small, case.name), atol=1e-4)
    assert not np.allclose(case.logits, logits(case.network, case.name), atol=1e-3)


def test_nobody_reads_a_removed_channel(case: Case) -> None:
    """Garbage where removed channels are read or normalised. Comes last: it spoils `case.zeroed`."""
    for path, columns in case.read.items():
        module: Any = case.zeroed.get_submodule(path)
        if isinstance(module, nn.BatchNorm2d):
            assert torch.equal(columns, case.marks[f"{path}.weight"])
            assert module.running_mean is not None
            module.running_mean[columns] = 1e3
        elif len(columns) == module.weight.shape[1]:
            # Every convolution lost inputs, but for the first, which reads the image.
            assert columns.any() or len(columns) == 3 or isinstance(module, nn.Linear)
            module.weight.data[:, columns] = 1e3
    np.testing.assert_allclose(logits(case.zeroed, case.name), case.logits, atol=1e-5)


def size(network: nn.Module) -> int:
    return sum(p.numel() for path, p in network.named_parameters() if not path.startswith(("classifier", "fc")))


def shrunk(network: nn.Module, marks: dict[str, torch.Tensor], read: dict[str, torch.Tensor]) -> nn.Module:
    small = copy.deepcopy(network)
    for path, columns in read.items():
        module: Any = small.get_submodule(path)
        rows = ~marks[f"{path}.weight"]
        weight = module.weight.data[rows]
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean, module.running_var = module.running_mean[rows], module.running_var[rows]
        elif weight.shape[1] == len(columns):
            weight = weight[:, ~columns]
        else:
            module.groups = len(weight)
        module.weight.data = weight
        if module.bias is not None:
            module.bias.data = module.bias.data[rows]
    return small


@pytest.mark.parametrize("name", TORCH_PRUNING)
def test_logits_equal_those_after_torch_pruning(
    name: str,
    random_network: Callable[[str], Any],
    arrays: Callable[[Any], dict[str, np.ndarray]],
    patched: Callable[..., Any],
) -> None:
    network = random_network(name)
    theta = dataclasses.replace(THETA, p=0.1)
    *_, variant = make_variants(arrays(network), reference_graph(name), theta)
    small = pruned_layer_by_layer(network, name, theta, variant.index)
    np.testing.assert_allclose(logits(patched(network, variant.patches), name), logits(small, name), atol=1e-4)


def pruned_layer_by_layer(network: nn.Module, name: str, theta: Theta, variant: int) -> nn.Module:
    """The paper's Remove, Targeted by L1, told in the obvious way: rank what is there, cut it off, go on."""
    torch_pruning = pytest.importorskip("torch_pruning")
    small = copy.deepcopy(network)
    graph = torch_pruning.DependencyGraph().build_dependency(small, image(name)[:1])
    for path, module in list(small.named_modules()):
        if not isinstance(module, nn.Conv2d | nn.BatchNorm2d) or path == "classifier.1":  # SqueezeNet's last one
            continue
        keys = module.weight.detach().double().abs().reshape(len(module.weight), -1).sum(1)
        n = min(max(math.ceil(len(keys) * theta.p - 1e-9), 1), len(keys) - 1)
        start = round(variant * (len(keys) - n) / (theta.num_pruned_models - 1))
        chosen = torch.argsort(keys, stable=True)[start : start + n].tolist()
        group = graph.get_pruning_group(module, graph.get_pruner_of_module(module).prune_out_channels, chosen)
        group.prune()
    return small


class NarrowShuffleNet:
    """ShuffleNetV2 computed with the remaining channels only.

    A feature map is (tensor, places, width): `places` says where each channel of the tensor stands among the `width`
    channels of the full network.
    """

    def __init__(self, network: Any, marks: dict[str, torch.Tensor]) -> None:
        self.network, self.marks = network, marks

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        feature = self.sequence((x, [0, 1, 2], 3), "conv1", "cbr")
        feature = (F.max_pool2d(feature[0], 3, 2, 1), *feature[1:])
        for stage in ("stage2", "stage3", "stage4"):
            for index in range(len(getattr(self.network, stage))):
                feature = self.unit(feature, f"{stage}.{index}")
        x, places, _ = self.sequence(feature, "conv5", "cbr")
        return F.linear(x.mean((2, 3)), self.network.fc.weight[:, places], self.network.fc.bias)

    def unit(self, feature: Feature, path: str) -> Feature:
        x, places, width = feature
        if len(self.network.get_submodule(f"{path}.branch1")):  # the stage's first unit: two branches, half the size
            left = self.sequence(feature, f"{path}.branch1", "dbcbr")
            right = self.sequence(feature, f"{path}.branch2", "cbrdbcbr")
        else:
            half = width // 2
            is_left = [place < half for place in places]
            left = (x[:, is_left], [p for p in places if p < half], half)
            right = (x[:, [not flag for flag in is_left]], [p - half for p in places if p >= half], half)
            right = self.sequence(right, f"{path}.branch2", "cbrdbcbr")
        half = left[2]
        assert right[2] == half
        # Channel j of the two halves goes to places 2 j (left) and 2 j + 1 (right).
        places = [2 * p for p in left[1]] + [2 * p + 1 for p in right[1]]
        order = sorted(range(len(places)), key=places.__getitem__)
        return torch.cat([left[0], right[0]], 1)[:, order], sorted(places), 2 * half

    def sequence(self, feature: Feature, path: str, kinds: str) -> Feature:
        """Convolution, depthwise convolution, batch normalisation or ReLU number 0, 1, ... of a Sequential."""
        x, places, width = feature
        for number, kind in enumerate(kinds):
            if kind == "r":
                x = F.relu(x)
                continue
            module = self.network.get_submodule(f"{path}.{number}")
            rows = torch.nonzero(~self.marks[f"{path}.{number}.weight"]).flatten().tolist()
            if kind == "c":
                x = F.conv2d(x, module.weight[rows][:, places], None, module.stride, module.padding)
                places, width = rows, len(module.weight)
            assert rows == places  # depthwise convolutions and batch normalisations lost the very same channels
            if kind == "d":
                x = F.conv2d(x, module.weight[rows], None, module.stride, module.padding, 1, len(rows))
            if kind == "b":
                mean, variance = module.running_mean[rows], module.running_var[rows]
                x = F.batch_norm(x, mean, variance, module.weight[rows], module.bias[rows], False, 0, module.eps)
        return x, places, width


@pytest.mark.parametrize("method", RankingMethod)
def test_each_layer_is_ranked_on_what_is_left(method: RankingMethod) -> None:
    """Two convolutions: removing filter 0 of the first turns round the order of the second."""
    weights: dict[str, Any] = {
        "a.weight": np.array([[1], [9], [10]], np.float32).reshape(3, 1, 1, 1) * [[[[1, -2]]]],
        "b.weight": np.array([[9, 0, 1], [0, 2, 3]], np.float32).reshape(2, 3, 1, 1) * [[[[1, -2]]]],
    }
    graph = Graph(
        "toy",
        (
            Node("image", Op.INPUT, (), (1, 8, 8)),
            Node("a", Op.CONV, ("image",), (3, 8, 8), module="a", order=1),
            Node("b", Op.CONV, ("a",), (2, 8, 8), module="b", order=2),
            Node("c", Op.LINEAR, ("b",), ("N",), module="c", order=3),
        ),
    )
    theta = dataclasses.replace(THETA, ranking_method=method, p=0.1, num_pruned_models=2)
    weights["c.weight"] = np.ones((4, 2), np.float32)
    lowest = next(make_variants(weights, graph, theta))
    assert [(p.parameter, p.rows.tolist()) for p in lowest.patches] == [("a.weight", [0]), ("b.weight", [0])]


@pytest.mark.parametrize("sampling", SamplingMethod)
@pytest.mark.parametrize("name", ["densenet121", "shufflenet1_0", "mobilenetv2", "squeezenetv1_1", "resnet18"])
def test_something_of_every_layer_survives_even_the_largest_share(
    name: str,
    sampling: SamplingMethod,
    random_network: Callable[[str], Any],
    arrays: Callable[[Any], dict[str, np.ndarray]],
) -> None:
    network = random_network(name)
    theta = dataclasses.replace(THETA, p=0.97, sampling_method=sampling)
    for variant in make_variants(arrays(network), reference_graph(name), theta):
        marks = removed(network, variant)
        assert not any(mark.all() for mark in marks.values())
        assert not any(columns.all() for columns in read_marks(network, name, marks).values())
