"""Trim: the weights of a selected filter are clamped to mean +- k standard deviations.

Each layer is treated on its own, as by Reset, and the biases of convolutions stay. Weights are numbers only.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from detector.graph.ir import Node, Op
from detector.pruning.method import FilterMethod, Network, Parameter, Patches
from detector.pruning.theta import Theta
from detector.pruning.variant import RowPatch, Rows, Weights


class Trim(FilterMethod):
    """Clamps weights: of each filter by itself, or scales by all those of the layer."""

    name = "Trim"
    summary = "its weights are clamped to mean +- trim_k standard deviations"
    parameters = (
        Parameter("trim_k", 0.5, 0, 1000, "Half width of Trim's interval in standard deviations.", (0.25, 2)),
    )

    def patches(self, layer: Node, rows: Rows, network: Network, theta: Theta) -> Patches:
        """The clamped weights."""
        return trim(layer, rows, network.weights, theta.trim_k)


def trim(layer: Node, rows: Rows, weights: Mapping[str, Weights], k: float) -> Patches:
    """Weights clamped to mean +- k standard deviations: of each filter, or of all scales of the layer."""
    name = f"{layer.module}.weight"
    weight = weights[name]
    selected = weight[rows]
    population, axes = (selected, (1, 2, 3)) if layer.op is Op.CONV else (weight, (0,))
    mean = population.mean(axes, keepdims=True)
    reach = k * population.std(axes, keepdims=True)
    return (RowPatch(name, rows, np.clip(selected, mean - reach, mean + reach).astype(np.float32)),)
