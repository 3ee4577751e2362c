"""The canonical graphs against torchvision itself: executed with nothing but a state dict, they give its logits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from detector.architectures import ARCHITECTURES, Architecture
from detector.graph.ir import CLASSES, Graph, Node, Op
from detector.graph.reference import reference_graph
from detector.graph.tensors import state_bytes, tensor_shapes, with_classes
from detector.graph.trace import meta_network

_NUM_CLASSES = 6


def execute(graph: Graph, state: Mapping[str, torch.Tensor], image: torch.Tensor) -> torch.Tensor:
    """Runs a graph with torch's functions; checks every shape on the way."""
    values: dict[str, torch.Tensor] = {}
    for node in graph.nodes:
        inputs = [values[name] for name in node.inputs]
        values[node.name] = image if node.op is Op.INPUT else _compute(node, inputs, state)
        assert tuple(values[node.name].shape[1:]) == with_classes(node.shape, _NUM_CLASSES), node.name
    return values[graph.nodes[-1].name]


def _compute(node: Node, inputs: list[torch.Tensor], state: Mapping[str, torch.Tensor]) -> Any:
    at: Mapping[str, Any] = node.attributes
    x = inputs[0]

    def tensor(name: str) -> Any:
        return state.get(f"{node.module}.{name}")

    match node.op:
        case Op.CONV:
            assert (tensor("bias") is not None) == at["bias"]
            return F.conv2d(
                x, tensor("weight"), tensor("bias"), at["stride"], at["padding"], at["dilation"], at["groups"]
            )
        case Op.BATCH_NORM:
            statistics = (tensor("running_mean"), tensor("running_var"))
            return F.batch_norm(x, *statistics, tensor("weight"), tensor("bias"), eps=at["eps"])
        case Op.LINEAR:
            return F.linear(x, tensor("weight"), tensor("bias"))
        case Op.RELU:
            return x.clamp(min=0)
        case Op.RELU6:
            return x.clamp(0, 6)
        case Op.MAX_POOL:
            return F.max_pool2d(x, at["kernel_size"], at["stride"], at["padding"], at["dilation"], at["ceil_mode"])
        case Op.AVG_POOL:
            window = (at["kernel_size"], at["stride"], at["padding"])
            return F.avg_pool2d(x, *window, at["ceil_mode"], at["count_include_pad"])
        case Op.ADAPTIVE_AVG_POOL:
            return F.adaptive_avg_pool2d(x, at["output_size"])
        case Op.GLOBAL_MEAN:
            return x.mean((2, 3))
        case Op.DROPOUT | Op.OUTPUT:
            return x
        case Op.ADD:
            return inputs[0] + inputs[1]
        case Op.CAT:
            return torch.cat(inputs, 1)
        case Op.SLICE:
            return x[:, at["start"] : at["stop"]]
        case Op.CHANNEL_SHUFFLE:
            return x.reshape(len(x), at["groups"], -1, *x.shape[2:]).transpose(1, 2).flatten(1, 2)
        case Op.FLATTEN:
            return x.flatten(1)
    raise AssertionError(node.op)


def random_network(architecture: Architecture) -> nn.Module:
    """The network with weights that keep activations near 1 and batch statistics that are not the initial ones."""
    network = meta_network(architecture, _NUM_CLASSES).to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    for name, tensor in network.state_dict().items():
        if tensor.dim() > 1:
            half_width = math.sqrt(6 / tensor[0].numel())
            tensor.uniform_(-half_width, half_width, generator=generator)
        elif name.endswith(("weight", "running_var")):
            tensor.uniform_(0.5, 1.5, generator=generator)
        elif tensor.dim():
            tensor.uniform_(-0.1, 0.1, generator=generator)
    return network


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_executing_the_graph_gives_torchvisions_logits(name: str) -> None:
    network = random_network(ARCHITECTURES[name])
    image = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = network(image)
        found = execute(reference_graph(name), network.state_dict(), image)
    assert expected.std() > 0
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_graph_agrees_with_the_modules(name: str) -> None:
    network = meta_network(ARCHITECTURES[name], _NUM_CLASSES)
    graph = reference_graph(name)
    state = network.state_dict()
    shapes = {key: with_classes(shape, _NUM_CLASSES) for key, shape in tensor_shapes(graph).items()}
    assert list(shapes.items()) == [(key, tuple(value.shape)) for key, value in state.items()]
    assert state_bytes(graph, _NUM_CLASSES) == sum(value.numel() * value.element_size() for value in state.values())
    layers = {i: m for i, m in enumerate(network.modules()) if isinstance(m, nn.Conv2d | nn.BatchNorm2d | nn.Linear)}
    assert [node.order for node in graph.layers()] == list(layers)
    assert all(network.get_submodule(node.module) is layers[node.order] for node in graph.layers())


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_graph_is_well_formed(name: str) -> None:
    graph = reference_graph(name)
    assert graph.architecture == name
    assert (graph.nodes[0].op, graph.nodes[-1].op) == (Op.INPUT, Op.OUTPUT)
    assert graph.nodes[-1].shape == (CLASSES,)
    seen: set[str] = set()
    for node in graph.nodes:
        assert node.name.isidentifier()
        assert node.name not in seen
        assert seen.issuperset(node.inputs)
        seen.add(node.name)
    used = {name for node in graph.nodes for name in node.inputs}
    assert seen - used == {graph.nodes[-1].name}, "every value is used"
