"""The canonical graph as an ONNX model, for the engines that `engines.py` compares with ours.

Built from the same fused plan that our engine executes, so that all candidates compute the same thing. Convolutions
come with batch normalisation folded in; parameters are either constants of the model, whose values the caller passes
beside it (they are not copied into it), or its inputs. Reads reference graphs only, which are ours and trusted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from detector.graph.ir import Graph, Op
from detector.measurement.plan import Step, make_plan
from detector.pruning.variant import RowPatch

Arrays = dict[str, NDArray[np.float32]]
IMAGES = "images"
_OPSET, _IR = 17, 9


class Style(Enum):
    """What of a variant is data."""

    CONSTANTS = auto()  # nothing: a model per variant
    MASKS = auto()  # a scale and a shift for each channel behind constant weights: Reset and Remove only
    WEIGHTS = auto()  # all weights


@dataclass(frozen=True)
class Parameters:
    """Arrays by name: constants of the model, and what a variant passes as inputs."""

    constants: Arrays
    inputs: Arrays


def patched(arrays: Mapping[str, NDArray[Any]], patches: Sequence[RowPatch]) -> Mapping[str, NDArray[Any]]:
    """The arrays with the patches applied; only what they touch is copied."""
    changed = dict(arrays)
    for patch in patches:
        changed[patch.parameter] = arrays[patch.parameter].copy()
        changed[patch.parameter][patch.rows] = 0 if patch.values is None else patch.values
    return changed


def parameters(
    plan: Sequence[Step], arrays: Mapping[str, NDArray[Any]], patches: Sequence[RowPatch], style: Style
) -> Parameters:
    """The parameters of one variant in the form that `style` asks for."""
    constants: Arrays = {}
    inputs: Arrays = {}
    values = patched(arrays, patches)
    for step in plan:
        if step.op is Op.LINEAR or (step.op is Op.CONV and style is not Style.MASKS):
            weight, bias = _folded(step, values)
            place = inputs if style is Style.WEIGHTS and step.op is Op.CONV else constants
            place |= {f"{step.output}.w": weight, f"{step.output}.b": bias}
        elif step.op is Op.CONV:
            constants[f"{step.output}.w"] = arrays[f"{step.module}.weight"]
            inputs |= _masks(step, values, patches)
        elif step.op is Op.BATCH_NORM:
            scale, shift = _scale_shift(step.module, step.eps, values)
            place = constants if style is Style.CONSTANTS else inputs
            place |= {f"{step.output}.s": _column(scale), f"{step.output}.t": _column(shift)}
    return Parameters(constants, inputs)


def _folded(step: Step, values: Mapping[str, NDArray[Any]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    weight = values[f"{step.module}.weight"]
    bias = values.get(f"{step.module}.bias", np.zeros(len(weight), np.float32))
    if not step.norm:
        return weight, bias
    scale, shift = _scale_shift(step.norm, step.eps, values)
    return weight * scale.reshape(-1, 1, 1, 1), bias * scale + shift


def _scale_shift(norm: str, eps: float, values: Mapping[str, NDArray[Any]]) -> tuple[NDArray[Any], NDArray[Any]]:
    scale = values[f"{norm}.weight"] / np.sqrt(values[f"{norm}.running_var"] + np.float32(eps))
    return scale, values[f"{norm}.bias"] - values[f"{norm}.running_mean"] * scale


def _masks(step: Step, values: Mapping[str, NDArray[Any]], patches: Sequence[RowPatch]) -> Arrays:
    """Scale and shift behind a convolution: patched filters times 0, then the batch normalisation."""
    name = f"{step.module}.weight"
    mask = np.ones(len(values[name]), np.float32)
    for patch in patches:
        if patch.parameter == name:
            mask[patch.rows] = 0
    scale, shift = _scale_shift(step.norm, step.eps, values) if step.norm else (np.float32(1), np.float32(0))
    bias = values.get(f"{step.module}.bias", np.zeros(len(mask), np.float32))
    return {f"{step.output}.s": _column(mask * scale), f"{step.output}.t": _column(bias * scale + shift)}


def _column(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(vector.reshape(-1, 1, 1))


def onnx_model(graph: Graph, known: Parameters, image_shape: tuple[int, ...], *, embed: bool = False) -> bytes:
    """The model, serialised. Its constants have names and shapes only, unless `embed` puts their values in too."""
    plan = make_plan(graph)
    nodes = [node for step in plan if step.op is not Op.INPUT for node in _nodes(step, known, plan[0].output)]
    inputs = {IMAGES: image_shape} | {name: value.shape for name, value in known.inputs.items()}
    made = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(plan[-1].output, TensorProto.FLOAT, None)],
        [_constant(name, value, embed) for name, value in known.constants.items()]
        + list(_vectors(plan, {node.name: node.shape for node in graph.nodes})),
    )
    opset = helper.make_opsetid("", _OPSET)
    content: bytes = helper.make_model(made, opset_imports=[opset], ir_version=_IR).SerializeToString()
    return content


def _constant(name: str, value: NDArray[np.float32], embed: bool) -> TensorProto:
    if embed:
        return numpy_helper.from_array(value, name)
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=value.shape)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="beside")
    return tensor


def _vectors(plan: Sequence[Step], shapes: Mapping[str, tuple[int | str, ...]]) -> Iterator[TensorProto]:
    """Bounds of slices, limits of ReLU6, shapes: small constants that are always embedded."""
    yield numpy_helper.from_array(np.float32(0), "zero")
    yield numpy_helper.from_array(np.float32(6), "six")
    yield numpy_helper.from_array(np.array([1], np.int64), "channels")
    for step in plan:
        if step.op is Op.SLICE:
            for key in ("start", "stop"):
                yield numpy_helper.from_array(np.array([step.attributes[key]], np.int64), f"{step.output}.{key}")
        if step.op is Op.CHANNEL_SHUFFLE:
            channels, height, width = map(int, shapes[step.output])
            groups = int(str(step.attributes["groups"]))
            split, joined = (0, groups, channels // groups, height * width), (0, channels, height, width)
            yield numpy_helper.from_array(np.array(split, np.int64), f"{step.output}.split")
            yield numpy_helper.from_array(np.array(joined, np.int64), f"{step.output}.joined")


def _nodes(step: Step, known: Parameters, first: str) -> Iterator[onnx.NodeProto]:
    inputs = [IMAGES if name == first else name for name in step.inputs]
    stages = list(_stages(step, known, inputs))
    value = inputs[0]
    for index, (op, extra, attributes) in enumerate(stages):
        output = step.output if index == len(stages) - 1 else f"{step.output}.{index}"
        operands = inputs if op in ("Add", "Concat") and not extra else [value, *extra]
        yield helper.make_node(op, operands, [output], **attributes)
        value = output


_Stage = tuple[str, list[str], dict[str, Any]]


def _stages(step: Step, known: Parameters, inputs: list[str]) -> Iterator[_Stage]:
    """ONNX operators of a step, each with the operands behind the running value."""
    name, attributes = step.output, step.attributes
    match step.op:
        case Op.CONV:
            masked = f"{name}.s" in known.inputs
            yield "Conv", [f"{name}.w"] if masked else [f"{name}.w", f"{name}.b"], _geometry(attributes, "dilation")
            if masked:
                yield from _affine(name)
        case Op.BATCH_NORM:
            yield from _affine(name)
        case Op.LINEAR:
            yield "Gemm", [f"{name}.w", f"{name}.b"], {"transB": 1}
        case Op.MAX_POOL | Op.AVG_POOL:
            yield _pool(attributes, step.op)
        case Op.ADAPTIVE_AVG_POOL if attributes["output_size"] == (1, 1):
            yield "GlobalAveragePool", [], {}
        case Op.ADAPTIVE_AVG_POOL:
            yield "Identity", [], {}  # VGG: 7 x 7 from 7 x 7
        case Op.GLOBAL_MEAN:
            yield "GlobalAveragePool", [], {}
            yield "Flatten", [], {}
        case Op.SLICE:
            yield "Slice", [f"{name}.start", f"{name}.stop", "channels"], {}
        case Op.CHANNEL_SHUFFLE:
            yield from _shuffle(name)
        case _:
            yield _PLAIN[step.op]
    if step.adds:
        yield "Add", [inputs[-1]], {}
    if step.activation is not None:
        yield _PLAIN[step.activation]


_PLAIN: Mapping[Op, _Stage] = MappingProxyType(
    {
        Op.RELU: ("Relu", [], {}),
        Op.RELU6: ("Clip", ["zero", "six"], {}),
        Op.ADD: ("Add", [], {}),
        Op.CAT: ("Concat", [], {"axis": 1}),
        Op.FLATTEN: ("Flatten", [], {}),
    }
)


def _affine(name: str) -> Iterator[_Stage]:
    yield "Mul", [f"{name}.s"], {}
    yield "Add", [f"{name}.t"], {}


def _shuffle(name: str) -> Iterator[_Stage]:
    yield "Reshape", [f"{name}.split"], {}
    yield "Transpose", [], {"perm": (0, 2, 1, 3)}
    yield "Reshape", [f"{name}.joined"], {}


def _geometry(attributes: Mapping[str, Any], dilation: str) -> dict[str, Any]:
    chosen = {
        "kernel_shape": attributes["kernel_size"],
        "strides": attributes["stride"],
        "pads": tuple(attributes["padding"]) * 2,
    }
    if dilation in attributes:
        chosen["dilations"] = attributes[dilation]
    if "groups" in attributes:
        chosen["group"] = attributes["groups"]
    return chosen


def _pool(attributes: Mapping[str, Any], op: Op) -> _Stage:
    chosen = _geometry(attributes, "dilation") | {"ceil_mode": int(attributes["ceil_mode"])}
    if op is Op.MAX_POOL:
        return "MaxPool", [], chosen
    return "AveragePool", [], chosen | {"count_include_pad": int(attributes["count_include_pad"])}
