"""Runs variants of one network on images: a fused plan over packed convolutions of oneDNN, one thread a call.

Batch normalisation is folded into the convolutions behind and before it, which are packed for the processor once;
images run through them in channels-last order. A variant that only silences filters or moves shifts is laid over what
the packed weights give, one network and |S| masks, where that is less work than to fold and pack the weights anew, as
other patches do for the layers that they touch. Nothing is shared between calls but constant arrays, so that calls may
run side by side in threads, and an answer never depends on how many do. The operators are those that PyTorch's own
compiler emits for frozen networks; eager PyTorch is the oracle in tests. Weights may be anything, so logits may be
non-finite; what eager PyTorch makes of numbers that are none is not promised, for fused activations turn them into 0.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
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

_NORM = ("running_mean", "running_var", "weight", "bias")
_MOST_CANCELLED = 1e3  # of which rounding leaves about 1e-4


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
        self._affine: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}  # by module

    def get(self, name: str) -> torch.Tensor | None:
        """The parameter, or None if the network has none of that name."""
        return self[name] if name in self._tensors else None

    def __getitem__(self, name: str) -> torch.Tensor:
        if name not in self._patches:
            return self._tensors[name]
        return self._write(self._tensors[name].clone(), name)

    def scaled(self, name: str, factors: torch.Tensor) -> torch.Tensor:
        """The parameter, patches included, multiplied by factors of a shape that fits: one pass over it."""
        product = self._tensors[name] * factors
        return self._write(product, name, factors) if name in self._patches else product

    def untouched(self, name: str) -> torch.Tensor:
        """The parameter without patches."""
        return self._tensors[name]

    def affine(self, norm: str, eps: float) -> tuple[torch.Tensor, torch.Tensor]:
        """What a batch normalisation multiplies each channel with, and what it then adds; worked out once."""
        if norm not in self._affine:
            mean, variance, weight, bias = (self[f"{norm}.{name}"] for name in _NORM)
            scale = weight / torch.sqrt(variance + eps)
            self._affine[norm] = scale, bias - mean * scale
        return self._affine[norm]

    def silenced(self, step: Step) -> torch.Tensor | None:
        """Rows of a convolution whose weights the patches leave at zero; None if others change as well."""
        rows = []
        if any(f"{step.front}.{name}" in self._patches for name in ("weight", "bias")):
            return None
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
            weight = _weight(step, constant, _front(step, constant))
            # for one image, whoever asks first: the order of the weights must not depend on it
            self._packed[step.output] = _pack(weight, *_geometry(step), (1, *image.shape[1:]))
        return self._packed[step.output]

    def _write(self, tensor: torch.Tensor, name: str, factors: torch.Tensor | None = None) -> torch.Tensor:
        patch = self._patches[name]
        rows = torch.from_numpy(patch.rows)
        if patch.values is None:
            return tensor.index_fill_(0, rows, 0.0)
        values = torch.from_numpy(patch.values)
        if factors is not None:
            values = values * factors.expand(len(tensor), *factors.shape[1:])[rows]
        return tensor.index_copy_(0, rows, values)


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    """The array as a tensor over the same memory; a copy only where its address is odd."""
    with warnings.catch_warnings():  # file bytes are read-only, and the engine only reads them
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(np.require(array, requirements=["C", "A"]))


def _channels_last(images: torch.Tensor) -> torch.Tensor:
    return images.contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class _Front:
    """Rectified normalised values relu(s x + b) of a convolution's inputs, written as s clamp(x, low, high) + offset.

    Clamping is one pass over the image; the scale (channels) goes into the weight of the convolution, and what it makes
    of the offset, `constant` (outputs), into its bias. Where s > 0 the low bound is -b / s, where s < 0 the high one;
    where s = 0 the value does not change.
    """

    low: torch.Tensor
    high: torch.Tensor
    scale: torch.Tensor
    constant: torch.Tensor


def _front(step: Step, parameters: _Parameters) -> _Front | None:
    """What stands in front of a convolution; None if nothing does, or if its numbers cannot well be written so.

    Where relu gives 0, s clamp(x) and offset cancel only up to rounding errors: what they add up to in an output,
    scaled as by the batch normalisation behind it, must be small enough.
    """
    if not step.front:
        return None
    scale, shift = parameters.affine(step.front, step.front_eps)
    flat = scale == 0
    edge = torch.where(flat, 0.0, -shift / scale)
    offset = torch.where(flat, F.relu(shift), shift)
    weight = parameters[f"{step.module}.weight"].flatten(2)
    cancelled = weight.abs().sum(2) @ offset.abs()
    if step.norm:
        cancelled = cancelled * parameters.affine(step.norm, step.eps)[0].abs()
    finite = torch.isfinite(edge).all() & torch.isfinite(scale).all()
    if not bool(finite & (cancelled < _MOST_CANCELLED).all()):
        return None
    low, high = torch.where(scale < 0, -math.inf, edge), torch.where(scale > 0, math.inf, edge)
    return _Front(low[:, None, None], high[:, None, None], scale, weight.sum(2) @ offset)


def _weight(step: Step, parameters: _Parameters, front: _Front | None) -> torch.Tensor:
    """Weight of a convolution with the batch normalisations before and behind it folded in."""
    name = f"{step.module}.weight"
    factors = [parameters.affine(step.norm, step.eps)[0][:, None, None, None]] if step.norm else []
    if front is not None:
        factors.append(front.scale[None, :, None, None])
    return parameters.scaled(name, reduce(torch.mul, factors)) if factors else parameters[name]


def _bias(step: Step, parameters: _Parameters, front: _Front | None) -> torch.Tensor | None:
    """Bias, if any, of a convolution with the batch normalisations before and behind it folded in."""
    bias = parameters.get(f"{step.module}.bias")
    if front is not None:
        bias = front.constant if bias is None else front.constant + bias
    if not step.norm:
        return bias
    scale, shift = parameters.affine(step.norm, step.eps)
    return shift if bias is None else shift + bias * scale


def _geometry(step: Step) -> tuple[Any, Any, Any, Any]:
    padding, stride, dilation, groups = (step.attributes[key] for key in ("padding", "stride", "dilation", "groups"))
    return padding, stride, dilation, groups


def _conv(step: Step, inputs: list[torch.Tensor], parameters: _Parameters) -> torch.Tensor:
    front, silenced = _front(step, parameters), parameters.silenced(step)
    inputs = [_before(step, inputs[0], parameters, front), *inputs[1:]]
    if silenced is not None and len(silenced) and not _has_fewer_outputs_than_weights(step, inputs, parameters):
        silenced = None  # folded and packed anew, like other changes
    weight = _weight(step, parameters, front) if silenced is None else parameters.packed(step, inputs[0])
    bias = _bias(step, parameters, front)
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


def _before(step: Step, image: torch.Tensor, parameters: _Parameters, front: _Front | None) -> torch.Tensor:
    """What the convolution itself reads."""
    if front is not None:
        return torch.clamp(image, front.low, front.high)
    if step.front:
        return F.relu_(_normalised(step.front, step.front_eps, image, parameters))
    return image


def _normalised(norm: str, eps: float, image: torch.Tensor, parameters: _Parameters) -> torch.Tensor:
    mean, variance, weight, bias = (parameters[f"{norm}.{name}"] for name in _NORM)
    return F.batch_norm(image, mean, variance, weight, bias, eps=eps)


def _batch_norm(step: Step, inputs: list[torch.Tensor], parameters: _Parameters) -> torch.Tensor:
    normalised = _normalised(step.module, step.eps, inputs[0], parameters)
    return normalised if step.activation is None else F.relu_(normalised)


def _cat(step: Step, inputs: list[torch.Tensor], _: _Parameters) -> torch.Tensor:
    """Channels behind each other; where concatenations extend each other, all of them lie in the memory of one."""
    first = inputs[0]
    images, channels, height, width = first.shape
    if step.extends:
        whole = first.as_strided((images, channels + inputs[1].shape[1], height, width), first.stride())
        whole[:, channels:] = inputs[1]
        return whole
    if not step.room:
        return torch.cat(inputs, 1)
    memory = torch.empty((images, step.room, height, width), memory_format=torch.channels_last)
    begun = memory[:, : sum(one.shape[1] for one in inputs)]
    start = 0
    for one in inputs:
        begun[:, start : start + one.shape[1]] = one
        start += one.shape[1]
    return begun


def _linear(step: Step, inputs: list[torch.Tensor], parameters: _Parameters) -> torch.Tensor:
    # The transposed product reads the weights, of which there are far more than inputs, twice as fast.
    product = parameters[f"{step.module}.weight"] @ inputs[0].t()
    return product.t() + parameters[f"{step.module}.bias"]


def _shuffled(image: torch.Tensor, groups: int) -> torch.Tensor:
    pixels = image.permute(0, 2, 3, 1)  # as they lie in memory, so that shuffling is a single copy
    split = pixels.reshape(*pixels.shape[:3], groups, -1)
    return split.transpose(3, 4).flatten(3).permute(0, 3, 1, 2)


_WITH_PARAMETERS: Mapping[Op, Callable[[Step, list[torch.Tensor], _Parameters], torch.Tensor]] = MappingProxyType(
    {Op.CONV: _conv, Op.BATCH_NORM: _batch_norm, Op.LINEAR: _linear, Op.CAT: _cat}
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
        Op.SLICE: lambda x, a: x[0][:, a["start"] : a["stop"]],
        Op.CHANNEL_SHUFFLE: lambda x, a: _shuffled(x[0], a["groups"]),
        Op.FLATTEN: lambda x, _: x[0].flatten(1),
    }
)


def _run(step: Step, inputs: list[torch.Tensor], parameters: _Parameters) -> torch.Tensor:
    if step.op in _WITH_PARAMETERS:
        return _WITH_PARAMETERS[step.op](step, inputs, parameters)
    return _WITHOUT[step.op](inputs, step.attributes)
