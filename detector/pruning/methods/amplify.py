"""Amplify: the channel that a selected filter writes is multiplied by the gain.

The channel is changed once: in the batch normalisation directly behind the convolution, or, where there is none, in
the convolution itself. Were both amplified, the effect would be doubled, and the batch normalisation would meet inputs
that its running statistics do not fit. Weights are numbers only.
"""

from __future__ import annotations

import numpy as np

from detector.graph.ir import Node, Op
from detector.pruning.method import FilterMethod, Network, Parameter, Patches
from detector.pruning.theta import Theta
from detector.pruning.variant import RowPatch, Rows

GAIN = Parameter(
    "gain", 3.0, 0, 1000, "Amplify's factor; Stimulate's constant in standard deviations of the channel.", (1.5, 10)
)


class Amplify(FilterMethod):
    """Weight and bias of whatever has the last word on the channel are multiplied."""

    name = "Amplify"
    summary = "the channel that it writes is multiplied by the gain"
    parameters = (GAIN,)
    layer_kinds = (Op.CONV,)  # one convolution writes each channel

    def patches(self, layer: Node, rows: Rows, network: Network, theta: Theta) -> Patches:
        """Scale and shift of the batch normalisation; where there is none, filter and bias, if any."""
        writer, weights = network.channel_writer(layer), network.weights
        names = [f"{writer}.{parameter}" for parameter in ("weight", "bias") if f"{writer}.{parameter}" in weights]
        with np.errstate(over="ignore"):  # huge weights become infinite, as they would in the network
            return tuple(
                RowPatch(name, rows, (weights[name][rows] * np.float64(theta.gain)).astype(np.float32))
                for name in names
            )
