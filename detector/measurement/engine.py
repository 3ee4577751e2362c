"""Runs variants of one network on images: a fused plan over packed convolutions of oneDNN, one thread a call.

Batch normalisation is folded into the convolutions, which are packed for the processor once; images run through them
in channels-last order. A variant that only silences filters or moves shifts is laid over what the packed weights give,
one network and |S| masks, where that is less work than to fold and pack the weights anew, as other patches do for the
layers that they touch. Nothing is shared between calls but constant arrays, so that calls may run side by side in
threads, and an answer never depends on how many do. The operators are those that PyTorch's own compiler emits for
frozen networks; eager PyTorch is the oracle in tests. Weights may be anything, so logits may be non-finite.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its customary name
from numpy.typing import NDArray

from detector.graph.ir import Graph, Op
from detector.measurement.plan import Step, make_plan
from detector.pruning.variant import RowPatch

# What torch.compile emits for a frozen network on the CPU; typed as Any because PyTorch's stubs do not know them.
_convolve: Any = torch.ops.mkldnn._convolution_pointwise
_pack: Any = torch.ops.mkldnn._reorder_convolution_weight
_UNARY: Mapping[Op | None, tuple[str, list[float]]] = MappingProxyType(
    {None: ("none", []), Op.RELU: ("relu", []), Op.RELU6: ("hardtanh", [0.0, 6.0])}
)


class PackedEngine:
    """A network given by its graph and its arrays, ready to answer for any set of patches.

    Parameters
    ----------
    graph
        The reference graph of the architecture.
    arrays
        State-dict names to arrays, float32 where they are parameters; used in place, never written to.
    """

    def __init__(self, graph: Graph, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._plan = make_plan(graph)
        self._tensors = {name: _tensor(array) for name, array in arrays.items() if array.dtype == np.float32}
        self._packed: dict[str, torch.Tensor] = {}  # by step; two threads that pack the same step make the same

    def logits(self, images: NDArray[np.float32], patches: Sequence[RowPatch] = ()) -> NDArray[np.float32]:
        """Logits (N, classes) for images (N, 3, height, width) with the patches applied."""
        parameters = _Parameters(self._tensors, {patch.parameter: patch for patch in patches}, self._packed)
        torch.set_num_threads(1)  # of the calling thread: with a busy neighbour, threads that wait for each other crawl
        with torch.inference_mode():
            values: dict[str, torch.Tensor] = {}
            for step in self._plan:
                inputs = [values[name] for name in step.inputs]
                values[step.output] = _run(step, inputs or [_channels_last(torch.from_numpy(images))], parameters)
                for name in step.drops:
                    del values[name]
            answer: NDArray[np.float32] = values[self._plan[-1].output].numpy()
        return answer


class _Parameters:
    """The network's parameters with one variant's patches applied, made when asked for."""

    def __init__(
        self, tensors: Mapping[str, torch.Tensor], patches: Mapping[str, RowPatch], packed: dict[str, torch.Tensor]
    ) -> None:
        self._tensors = tensors
        self._patches = patches
        self._packed = packed

    def get(self, name: str) -> torch.Tensor | None:
        """The parameter, or None if the network has none of that name."""
        return self[name] if name in self._tensors else None

    def __getitem__(self, name: str) -> torch.Tensor:
        if name not in self._patches:
            return self._tensors[name]
        return self._write(self._tensors[name].clone(), name)

    def scaled(self, name: str, scale: torch.Tensor) -> torch.Tensor:
        """The parameter with each row multiplied by its scale: one pass over it, patches included."""
        factors = scale.reshape(-1, *[1] * (self._tensors[name].ndim - 1))
        product = self._tensors[name] * factors
        return self._write(product, name, factors) if name in self._patches else product

    def untouched(self, name: str) -> torch.Tensor:
        """The parameter without patches."""
        return self._tensors[name]

    def silenced(self, step: Step) -> torch.Tensor | None:
        """Rows of a convolution whose weights the patches leave at zero; None if others change as well."""
        rows = []
        for name in (f"{step.module}.weight", f"{step.norm}.weight"):
            patch = self._patches.get(name)
            if patch is not None and patch.values is not None:
                return None
            rows += [] if patch is None else [torch.from_numpy(patch.rows)]
        return torch.cat(rows) if rows else torch.empty(0, dtype=torch.int64)

    def packed(self, step: Step, image: torch.Tensor) -> torch.Tensor:
        """The step's weight as it is without patches, folded and packed when it is first asked for."""
        if step.output not in self._packed:
            constant = _Parameters(self._tensors, {}, self._packed)
            self._packed[step.output] = _pack(_weight(step, constant), *_geometry(step), image.shape)
        return self._packed[step.output]

    def _write(self, tensor: torch.Tensor, name: str, factors: torch.Tensor | None = None) -> torch.Tensor:
        patch = self._patches[name]
        rows = torch.from_numpy(patch.rows)
        if patch.values is None:
            return tensor.index_fill_(0, rows, 0.0)
        values = torch.from_numpy(patch.values)
        return tensor.index_copy_(0, rows, values if factors is None else values * factors[rows])


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    """The array as a tensor over the same memory; a copy only where its address is odd."""
    with warnings.catch_warnings():  # file bytes are read-only, and the engine only reads them
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(np.require(array, requirements=["C", "A"]))


def _channels_last(images: torch.Tensor) -> torch.Tensor:
    return images.contiguous(memory_format=torch.channels_last)


def _scale(step: Step, parameters: _Parameters) -> torch.Tensor:
    """What the batch normalisation behind a convolution multiplies each channel with."""
    return parameters[f"{step.norm}.weight"] / torch.sqrt(parameters[f"{step.norm}.running_var"] + step.eps)


def _weight(step: Step, parameters: _Parameters) -> torch.Tensor:
    """Weight of a convolution with its batch normalisation folded in."""
    name = f"{step.module}.weight"
    return parameters.scaled(name, _scale(step, parameters)) if step.norm else parameters[name]


def _bias(step: Step, parameters: _Parameters) -> torch.Tensor | None:
    """Bias, if any, of a convolution with its batch normalisation folded in."""
    bias = parameters.get(f"{step.module}.bias")
    if not step.norm:
        return bias
    scale = _scale(step, parameters)
    shift = parameters[f"{step.norm}.bias"] - parameters[f"{step.norm}.running_mean"] * scale
    return shift if bias is None else shift + bias * scale


def _geometry(step: Step) -> tuple[Any, Any, Any, Any]:
    padding, stride, dilation, groups = (step.attributes[key] for key in ("padding", "stride", "dilation", "groups"))
    return padding, stride, dilation, groups


def _conv(step: Step, inputs: list[torch.Tensor], parameters: _Parameters) -> torch.Tensor:
    silenced = parameters.silenced(step)
    if silenced is not None and len(silenced) and not _has_fewer_outputs_than_weights(step, inputs, parameters):
        silenced = None  # folded and packed anew, like other changes
    weight = _weight(step, parameters) if silenced is None else parameters.packed(step, inputs[0])
    bias = _bias(step, parameters)
    unary, scalars = _UNARY[step.activation]
    geometry = (bias, *_geometry(step))
    convolved: torch.Tensor
    if step.adds:
        activation = None if step.activation is None else unary
        convolved = _convolve.binary(*inputs, weight, *geometry, "add", 1.0, activation, scalars, "")
    else:
        convolved = _convolve(inputs[0], weight, *geometry, unary, scalars, "")
    if silenced is not None and len(silenced):
        convolved[:, silenced] = _silence(step, inputs, bias, silenced)
    return convolved


def _has_fewer_outputs_than_weights(step: Step, inputs: list[torch.Tensor], parameters: _Parameters) -> bool:
    """Whether it is cheaper to lay over what a convolution gives than to fold and pack its weights anew."""
    images, _, height, width = inputs[0].shape
    _, (vertical, horizontal), _, _ = _geometry(step)
    weight = parameters.untouched(f"{step.module}.weight")
    outputs: float = images * weight.shape[0] * height * width / (vertical * horizontal)
    return outputs < weight.numel()


def _silence(step: Step, inputs: list[torch.Tensor], bias: torch.Tensor | None, rows: torch.Tensor) -> torch.Tensor:
    """What filters without weights give, in a shape that can be laid over (N, rows, height, width)."""
    level = torch.zeros(len(rows), 1, 1) if bias is None else bias[rows, None, None]
    if step.adds:
        level = inputs[1][:, rows] + level
    return level if step.activation is None else _WITHOUT[step.activation]([level], {})


def _batch_norm(step: Step, inputs: list[torch.Tensor], parameters: _Parameters) -> torch.Tensor:
    names = ("running_mean", "running_var", "weight", "bias")
    mean, variance, weight, bias = (parameters[f"{step.module}.{name}"] for name in names)
    normalised = F.batch_norm(inputs[0], mean, variance, weight, bias, eps=step.eps)
    return normalised if step.activation is None else F.relu_(normalised)


def _linear(step: Step, inputs: list[torch.Tensor], parameters: _Parameters) -> torch.Tensor:
    return F.linear(inputs[0], parameters[f"{step.module}.weight"], parameters[f"{step.module}.bias"])


def _shuffled(image: torch.Tensor, groups: int) -> torch.Tensor:
    pixels = image.permute(0, 2, 3, 1)  # as they lie in memory, so that shuffling is a single copy
    split = pixels.reshape(*pixels.shape[:3], groups, -1)
    return split.transpose(3, 4).flatten(3).permute(0, 3, 1, 2)


_WITH_PARAMETERS: Mapping[Op, Callable[[Step, list[torch.Tensor], _Parameters], torch.Tensor]] = MappingProxyType(
    {Op.CONV: _conv, Op.BATCH_NORM: _batch_norm, Op.LINEAR: _linear}
)
_WITHOUT: Mapping[Op, Callable[[list[torch.Tensor], Mapping[str, Any]], torch.Tensor]] = MappingProxyType(
    {
        Op.INPUT: lambda x, _: x[0],
        Op.RELU: lambda x, _: F.relu(x[0]),
        Op.RELU6: lambda x, _: F.relu6(x[0]),
        Op.MAX_POOL: lambda x, a: F.max_pool2d(
            x[0], a["kernel_size"], a["stride"], a["padding"], a["dilation"], a["ceil_mode"]
        ),
        Op.AVG_POOL: lambda x, a: F.avg_pool2d(
            x[0], a["kernel_size"], a["stride"], a["padding"], a["ceil_mode"], a["count_include_pad"]
        ),
        Op.ADAPTIVE_AVG_POOL: lambda x, a: F.adaptive_avg_pool2d(x[0], a["output_size"]),
        Op.GLOBAL_MEAN: lambda x, _: x[0].mean((2, 3)),
        Op.ADD: lambda x, _: x[0] + x[1],
        Op.CAT: lambda x, _: torch.cat(x, 1),
        Op.SLICE: lambda x, a: x[0][:, a["start"] : a["stop"]],
        Op.CHANNEL_SHUFFLE: lambda x, a: _shuffled(x[0], a["groups"]),
        Op.FLATTEN: lambda x, _: x[0].flatten(1),
    }
)


def _run(step: Step, inputs: list[torch.Tensor], parameters: _Parameters) -> torch.Tensor:
    if step.op in _WITH_PARAMETERS:
        return _WITH_PARAMETERS[step.op](step, inputs, parameters)
    return _WITHOUT[step.op](inputs, step.attributes)
