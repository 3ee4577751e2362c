"""Stimulate: a constant is added to the channel that a selected filter writes.

It is `gain` standard deviations of the channel: |scale| of the batch normalisation behind the convolution, by
construction; where there is none, the L2 norm of the filter, which is right for independent inputs of variance 1 and
needs no data. Weights are numbers only.
"""

from __future__ import annotations

import numpy as np

from detector.graph.ir import Node, Op
from detector.pruning.method import FilterMethod, Network, Patches
from detector.pruning.methods.amplify import GAIN
from detector.pruning.theta import Theta
from detector.pruning.variant import RowPatch, Rows


class Stimulate(FilterMethod):
    """The bias of whatever has the last word on the channel grows."""

    name = "Stimulate"
    summary = "the channel that it writes gets the gain added, in standard deviations"
    parameters = (GAIN,)
    layer_kinds = (Op.CONV,)  # one convolution writes each channel

    def patches(self, layer: Node, rows: Rows, network: Network, theta: Theta) -> Patches:
        """The new biases; of DenseNet's convolutions those without norm and bias have none, and are left alone."""
        writer, weights = network.channel_writer(layer), network.weights
        name = f"{writer}.bias"
        if name not in weights:
            return ()
        source = weights[f"{writer}.weight"][rows].astype(np.float64)
        deviations = np.sqrt((source.reshape(len(rows), -1) ** 2).sum(1))
        with np.errstate(over="ignore"):  # huge weights become infinite, as they would in the network
            return (RowPatch(name, rows, (weights[name][rows] + theta.gain * deviations).astype(np.float32)),)
