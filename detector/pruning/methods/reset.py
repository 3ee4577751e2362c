"""Reset: the weights of a selected filter become 0.

Each layer is treated on its own, so a convolution and the batch normalisation behind it may lose different channels,
as in NIST's reference implementation; the biases of convolutions stay. Weights are numbers only.
"""

from __future__ import annotations

from detector.graph.ir import Node, Op
from detector.pruning.method import FilterMethod, Network, Patches
from detector.pruning.theta import Theta
from detector.pruning.variant import RowPatch, Rows


class Reset(FilterMethod):
    """Filters become 0; of a batch normalisation scale and shift do, so that the channel's output is 0."""

    name = "Reset"
    summary = "its weights become 0"

    def patches(self, layer: Node, rows: Rows, network: Network, theta: Theta) -> Patches:
        """Zeros."""
        return reset(layer, rows)


def reset(layer: Node, rows: Rows) -> Patches:
    """Zeros for the filters `rows` of a convolution, or for scale and shift of a batch normalisation."""
    if layer.op is Op.CONV:
        return (RowPatch(f"{layer.module}.weight", rows),)
    return (RowPatch(f"{layer.module}.weight", rows), RowPatch(f"{layer.module}.bias", rows))
