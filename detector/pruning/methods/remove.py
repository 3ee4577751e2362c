"""Remove: which channels of every layer are gone, when each layer is ranked on what the earlier ones left.

Physical removal is expressed as zeros: where every filter, bias, scale and shift of a removed channel is 0, the
channel is 0 everywhere, and the network computes what the smaller network without it computes. All |S| variants go
through the layers together, which reads each weight once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from detector.graph.ir import Graph, Node, Op
from detector.pruning.coupling import Atoms, Coupling, couple, grouped_convolution
from detector.pruning.method import Network, NetworkMethod
from detector.pruning.ranking import Keys, Mask, ranking, scale_keys, surviving_keys
from detector.pruning.sampling import positions
from detector.pruning.theta import Theta
from detector.pruning.variant import RowPatch, Variant, Weights


class Remove(NetworkMethod):
    """Filters are taken out, with every channel coupled to them."""

    name = "Remove"
    summary = "taken out, with every channel coupled to it"
    spares_classifier = True  # nobody can remove a class; NIST's Remove cannot run on SqueezeNet's last convolution
    takes_parts = False  # what it removes reaches through the whole network

    def refusal(self, graph: Graph) -> str | None:
        """Grouped convolutions: their filters cannot be removed one by one, unless each group is a single channel."""
        grouped = grouped_convolution(graph)
        if grouped is None:
            return None
        return f"Remove cannot shrink {grouped.module}, a convolution of {grouped.attributes['groups']} groups"

    def variants(self, layers: Sequence[Node], network: Network, theta: Theta) -> Iterator[Variant]:
        """Zeros for whatever is coupled to the removed filters."""
        coupling = couple(network.graph, network.weights)
        living = surviving_atoms(layers, network.weights, coupling, theta)
        rows = (removed_rows(layers, network.weights, coupling, alive) for alive in living)
        return (Variant(index, patches) for index, patches in enumerate(rows))


def surviving_atoms(layers: Sequence[Node], weights: Mapping[str, Weights], coupling: Coupling, theta: Theta) -> Mask:
    """(|S|, atoms): the channels that each variant still has after `layers` were pruned in their order.

    In every layer each variant ranks the filters that it has left over the input channels that it has left, and loses
    the channels that it samples from that ranking, in all coupled layers. The last channel of a layer stays.
    """
    living = np.ones((theta.num_pruned_models, coupling.number), np.bool_)
    for layer in layers:
        atoms = coupling.outputs[layer.name]
        keys = _keys(layer, weights[f"{layer.module}.weight"], living[:, coupling.inputs[layer.name]], theta)
        for variant, alive in enumerate(living):
            left = np.flatnonzero(alive[atoms])
            chosen = positions(theta, len(left), variant, layer.order)
            ranked = left[ranking(keys[variant][left], theta.rule)]
            _remove(atoms[ranked[chosen]], alive, coupling.vital[layer.name])
    return living


def removed_rows(
    layers: Sequence[Node], weights: Mapping[str, Weights], coupling: Coupling, alive: Mask
) -> tuple[RowPatch, ...]:
    """Zeros for every filter, bias, scale and shift of the channels that are not `alive` (atoms,)."""
    patches = []
    for layer in layers:
        rows = np.flatnonzero(~alive[coupling.outputs[layer.name]])
        names = (f"{layer.module}.{parameter}" for parameter in ("weight", "bias"))
        patches += [RowPatch(name, rows) for name in names if len(rows) and name in weights]
    return tuple(patches)


def _keys(layer: Node, weight: Weights, inputs: Mask, theta: Theta) -> Sequence[Keys]:
    """One row of keys a variant; those of filters that are gone mean nothing."""
    if layer.op is Op.BATCH_NORM:
        return [scale_keys(weight, theta.rule)] * len(inputs)
    if weight.shape[1] != inputs.shape[1]:  # depthwise: a filter's only input lives as long as the filter
        inputs = np.ones((len(inputs), 1), np.bool_)
    return list(surviving_keys(weight, inputs, theta.ranking_method, theta.rule))


def _remove(chosen: Atoms, alive: Mask, vital: Sequence[Atoms]) -> None:
    """Let the chosen atoms (ascending in rank) die, sparing the highest-ranked of a layer that would be left empty."""
    alive[chosen] = False
    for atoms in vital:
        if not alive[atoms].any():
            alive[chosen[np.isin(chosen, atoms)][-1]] = True
