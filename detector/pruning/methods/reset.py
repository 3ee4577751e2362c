"""Reset, Trim, Amplify and Stimulate: what the selected filters of one layer become.

Reset and Trim treat each layer on its own, so a convolution and the batch normalisation behind it may lose different
channels, as in NIST's reference implementation; both keep the biases of convolutions. Amplify and Stimulate change the
channel that a filter writes, once: in the batch normalisation directly behind the convolution, or, where there is
none, in the convolution itself. Were both amplified, the effect would be doubled, and the batch normalisation would
meet inputs that its running statistics do not fit. Weights are numbers only.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from detector.graph.ir import Node, Op
from detector.pruning.ranking import Rows, Weights
from detector.pruning.variant import RowPatch

Patches = tuple[RowPatch, ...]


def reset(layer: Node, rows: Rows) -> Patches:
    """Filters become 0; of a batch normalisation scale and shift do, so that the channel's output is 0."""
    if layer.op is Op.CONV:
        return (RowPatch(f"{layer.module}.weight", rows),)
    return (RowPatch(f"{layer.module}.weight", rows), RowPatch(f"{layer.module}.bias", rows))


def trim(layer: Node, rows: Rows, weights: Mapping[str, Weights], k: float) -> Patches:
    """Weights are clamped to mean +- k standard deviations: of each filter, or of all scales of the layer."""
    name = f"{layer.module}.weight"
    weight = weights[name]
    selected = weight[rows]
    population, axes = (selected, (1, 2, 3)) if layer.op is Op.CONV else (weight, (0,))
    mean = population.mean(axes, keepdims=True)
    reach = k * population.std(axes, keepdims=True)
    return (RowPatch(name, rows, np.clip(selected, mean - reach, mean + reach).astype(np.float32)),)


def amplify(layer: Node, norm: Node | None, rows: Rows, weights: Mapping[str, Weights], gain: float) -> Patches:
    """The channels `rows` of convolution `layer`, as normalised by `norm`, are multiplied by `gain`: weight and bias.

    Scale and shift of the batch normalisation; where there is none, filter and bias, if any, of the convolution.
    """
    names = (f"{(norm or layer).module}.{parameter}" for parameter in ("weight", "bias"))
    return tuple(_patch(name, rows, weights[name][rows] * np.float64(gain)) for name in names if name in weights)


def stimulate(layer: Node, norm: Node | None, rows: Rows, weights: Mapping[str, Weights], gain: float) -> Patches:
    """A constant is added to the channels `rows` of convolution `layer`, as normalised by `norm`.

    It is `gain` standard deviations of the channel: |scale| of the batch normalisation, by construction; where there
    is none, the L2 norm of the filter, which is right for independent inputs of variance 1 and needs no data. Of
    DenseNet's convolutions those with neither batch normalisation nor bias have nothing to hold it and are left alone.
    """
    name = f"{(norm or layer).module}.bias"
    if name not in weights:
        return ()
    source = weights[f"{(norm or layer).module}.weight"][rows].astype(np.float64)
    deviations = np.sqrt((source.reshape(len(rows), -1) ** 2).sum(1))
    return (_patch(name, rows, weights[name][rows] + gain * deviations),)


def _patch(name: str, rows: Rows, values: NDArray[np.float64]) -> RowPatch:
    with np.errstate(over="ignore"):  # huge weights become infinite, as they would in the network
        return RowPatch(name, rows, values.astype(np.float32))
