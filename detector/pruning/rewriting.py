"""Reset and Trim: what the selected filters of one layer become.

Each layer is treated on its own, so a convolution and the batch normalisation behind it may lose different channels,
as in NIST's reference implementation. Biases of convolutions are kept by both methods. Weights are numbers only.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from detector.graph.ir import Node, Op
from detector.pruning.ranking import Rows, Weights
from detector.pruning.variant import RowPatch


def reset(layer: Node, rows: Rows) -> tuple[RowPatch, ...]:
    """Filters become 0; of a batch normalisation scale and shift do, so that the channel's output is 0."""
    if layer.op is Op.CONV:
        return (RowPatch(f"{layer.module}.weight", rows),)
    return (RowPatch(f"{layer.module}.weight", rows), RowPatch(f"{layer.module}.bias", rows))


def trim(layer: Node, rows: Rows, weights: Mapping[str, Weights], k: float) -> tuple[RowPatch, ...]:
    """Weights are clamped to mean +- k standard deviations: of each filter, or of all scales of the layer."""
    name = f"{layer.module}.weight"
    weight = weights[name]
    selected = weight[rows]
    population, axes = (selected, (1, 2, 3)) if layer.op is Op.CONV else (weight, (0,))
    mean = population.mean(axes, keepdims=True)
    reach = k * population.std(axes, keepdims=True)
    return (RowPatch(name, rows, np.clip(selected, mean - reach, mean + reach).astype(np.float32)),)
