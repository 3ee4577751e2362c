"""Traces torchvision networks into canonical graphs: what `make reference` runs, and nothing else at run time.

It trusts torchvision's own model code, which is the definition of the architectures, and runs it symbolically on
torch's meta device: no weights, no arithmetic. Two traces with different class counts show where the class count
stands in shapes and attributes.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from detector.architectures import Architecture, build
from detector.graph.ir import CLASSES, Attribute, Graph, Node, Op
from detector.graph.modules import Reference, ReferenceModule, class_kind
from detector.torchvision_ops import torchvision_models

IMAGE_SHAPE = (3, 224, 224)
_CLASS_COUNTS = (7, 13)  # two numbers that no architecture uses for anything else

_POOL = ("kernel_size", "stride", "padding")
_MODULES: Mapping[type[nn.Module], tuple[Op, tuple[str, ...]]] = {
    nn.Conv2d: (Op.CONV, ("in_channels", "out_channels", *_POOL, "dilation", "groups", "bias")),
    nn.BatchNorm2d: (Op.BATCH_NORM, ("num_features", "eps")),
    nn.Linear: (Op.LINEAR, ("in_features", "out_features", "bias")),
    nn.ReLU: (Op.RELU, ()),
    nn.ReLU6: (Op.RELU6, ()),
    nn.MaxPool2d: (Op.MAX_POOL, (*_POOL, "dilation", "ceil_mode")),
    nn.AvgPool2d: (Op.AVG_POOL, (*_POOL, "ceil_mode", "count_include_pad")),
    nn.AdaptiveAvgPool2d: (Op.ADAPTIVE_AVG_POOL, ("output_size",)),
    nn.Dropout: (Op.DROPOUT, ("p",)),
}
_PAIRS = (*_POOL, "dilation", "output_size")  # torch accepts one number for both directions
_FUNCTIONS: Mapping[Any, type[nn.Module]] = {  # called with the arguments of the module's constructor
    F.relu: nn.ReLU,
    F.max_pool2d: nn.MaxPool2d,
    F.avg_pool2d: nn.AvgPool2d,
    F.adaptive_avg_pool2d: nn.AdaptiveAvgPool2d,
}

_READ_BY_FORWARD: Mapping[str, tuple[str, ...]] = {  # in evaluation mode, or part of what TrojAI's generator fixes
    "torch.nn.Conv2d": ("in_channels", "out_channels", *_POOL, "dilation", "groups", "padding_mode"),
    "torch.nn.BatchNorm2d": ("num_features", "eps", "affine", "track_running_stats"),
    "torch.nn.Linear": ("in_features", "out_features"),
    "torch.nn.ReLU6": ("min_val", "max_val"),
    "torch.nn.MaxPool2d": (*_POOL, "dilation", "ceil_mode", "return_indices"),
    "torch.nn.AvgPool2d": (*_POOL, "ceil_mode", "count_include_pad", "divisor_override"),
    "torch.nn.AdaptiveAvgPool2d": ("output_size",),
    "torch.nn.Dropout": ("p",),
    "torchvision.models.googlenet.GoogLeNet": ("aux_logits", "transform_input"),
    "torchvision.models.inception.Inception3": ("aux_logits", "transform_input"),
    "torchvision.models.densenet._DenseLayer": ("drop_rate",),
    "torchvision.models.shufflenetv2.InvertedResidual": ("stride",),
    "torchvision.models.mobilenetv2.InvertedResidual": ("use_res_connect",),
}


def trace(architecture: Architecture) -> Reference:
    """The canonical graph and the module tree of an architecture, from torchvision's model code.

    Raises
    ------
    NotImplementedError
        If torchvision uses an operation that the canonical graph does not know.
    """
    one, other = (meta_network(architecture, count) for count in _CLASS_COUNTS)
    nodes = zip(_trace_nodes(one), _trace_nodes(other), strict=True)
    modules = zip(_module_tree(one), _module_tree(other), strict=True)
    return Reference(
        Graph(architecture.name, tuple(_merge(*pair) for pair in nodes)),
        tuple(_merge_modules(*pair) for pair in modules),
    )


def meta_network(architecture: Architecture, num_classes: int) -> nn.Module:
    """The network in evaluation mode on torch's meta device: structure and shapes without memory."""
    with torch.device("meta"):
        return build(architecture, num_classes).eval()


def _trace_nodes(network: nn.Module) -> list[Node]:
    shuffle = torchvision_models().shufflenetv2.channel_shuffle
    traced = fx.GraphModule(network, fx.Tracer(autowrap_functions=(shuffle,)).trace(network))
    ShapeProp(traced).propagate(torch.empty(1, *IMAGE_SHAPE, device="meta"))
    order = {name: index for index, (name, _) in enumerate(network.named_modules())}
    return [_node(node, network, order) for node in traced.graph.nodes if not _is_chunk(node)]


def _node(node: fx.Node, network: nn.Module, order: Mapping[str, int]) -> Node:
    op, attributes = _operation(node, network)
    module = str(node.target) if node.op == "call_module" else ""
    has_parameters = op in (Op.CONV, Op.BATCH_NORM, Op.LINEAR)
    return Node(
        name=node.name,
        op=op,
        inputs=tuple(_skip_chunk(source).name for source in node.all_input_nodes),
        shape=tuple(node.meta["tensor_meta"].shape[1:]),
        module=module,
        order=order[module] if has_parameters else -1,
        attributes=attributes,
    )


def _operation(node: fx.Node, network: nn.Module) -> tuple[Op, dict[str, Attribute]]:
    target: Any = node.target
    match node.op:
        case "placeholder":
            return Op.INPUT, {}
        case "output":
            return Op.OUTPUT, {}
        case "call_module":
            return _describe(network.get_submodule(target))
        case "call_method" if target == "mean" and node.args[1] == [2, 3]:
            return Op.GLOBAL_MEAN, {}
        case "call_function" if target in _FUNCTIONS:
            return _describe(_FUNCTIONS[target](*node.args[1:], **node.kwargs))
        case "call_function":
            return _plain_function(node)
    raise NotImplementedError(f"{node.op} {target}")


def _plain_function(node: fx.Node) -> tuple[Op, dict[str, Attribute]]:
    target: Any = node.target
    dimension = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
    if target in (operator.add, operator.iadd) and len(node.all_input_nodes) == 2:
        return Op.ADD, {}
    if target is torch.cat and dimension == 1:
        return Op.CAT, {}
    if target is torch.flatten and dimension == 1:
        return Op.FLATTEN, {}
    if target is torchvision_models().shufflenetv2.channel_shuffle:
        return Op.CHANNEL_SHUFFLE, {"groups": int(str(dimension))}
    if target is operator.getitem and _is_chunk(node.all_input_nodes[0]):
        return Op.SLICE, _bounds(node)
    raise NotImplementedError(f"{target} {node.args}")


def _describe(module: nn.Module) -> tuple[Op, dict[str, Attribute]]:
    if type(module) not in _MODULES:
        raise NotImplementedError(type(module).__name__)
    op, names = _MODULES[type(module)]
    return op, {name: _attribute(module, name) for name in names}


def _attribute(module: nn.Module, name: str) -> Attribute:
    value: Any = getattr(module, name)
    if name == "bias":
        return value is not None
    return (value, value) if name in _PAIRS and isinstance(value, int) and type(module) in _MODULES else value


def _is_chunk(node: fx.Node) -> bool:
    return node.target == "chunk" and node.args[1:] == (2,) and node.kwargs == {"dim": 1}


def _skip_chunk(node: fx.Node) -> fx.Node:
    return node.all_input_nodes[0] if _is_chunk(node) else node


def _bounds(getitem: fx.Node) -> dict[str, Attribute]:
    sizes = [part.shape[1] for part in getitem.all_input_nodes[0].meta["tensor_meta"]]
    index = int(str(getitem.args[1]))
    start = sum(sizes[:index])
    return {"start": start, "stop": start + sizes[index]}


def _merge(one: Node, other: Node) -> Node:
    """The node with the class count abstracted; apart from it the two traces must agree."""
    shape = tuple(_classes_or(pair) for pair in zip(one.shape, other.shape, strict=True))
    attributes = {key: _classes_or((value, other.attributes[key])) for key, value in one.attributes.items()}
    return Node(one.name, one.op, one.inputs, shape, one.module, one.order, attributes)


def _module_tree(network: nn.Module) -> list[ReferenceModule]:
    modules = network.named_modules()
    return [ReferenceModule(path, _kind(module), _read_attributes(module)) for path, module in modules]


def _kind(module: nn.Module) -> str:
    return class_kind(type(module).__module__, type(module).__name__)


def _read_attributes(module: nn.Module) -> dict[str, Attribute | None]:
    return {name: _attribute(module, name) for name in _READ_BY_FORWARD.get(_kind(module), ())}


def _merge_modules(one: ReferenceModule, other: ReferenceModule) -> ReferenceModule:
    attributes = {key: _classes_or((value, other.attributes[key])) for key, value in one.attributes.items()}
    return ReferenceModule(one.path, one.kind, attributes)


def _classes_or(pair: tuple[Any, Any]) -> Any:
    if pair == _CLASS_COUNTS:
        return CLASSES
    if pair[0] != pair[1]:
        raise NotImplementedError(f"{pair} depends on the class count in another way")
    return pair[0]
