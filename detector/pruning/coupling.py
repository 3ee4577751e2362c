"""Which channels live and die together when filters are removed from a network.

Every channel is an atom. A convolution creates the atoms of its outputs, a depthwise one hands on those of its
inputs; additions unite the atoms of their operands; concatenation, slicing, shuffling and flattening only rearrange
them. Removing a filter removes its atom, and with it the channel from every layer that writes, normalises or reads
it. The graph is ours and trusted; of the weights only the shapes are used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.graph.ir import Attribute, Graph, Node, Op
from detector.pruning.method import UnsupportedNetworkError
from detector.pruning.variant import Weights

Atoms = NDArray[np.int64]


@dataclass(frozen=True)
class Coupling:
    """The atoms of a network.

    Attributes
    ----------
    number
        Atoms are 0 ... number - 1; some stand for nothing any more, having been united with others.
    inputs, outputs
        By node name: the atom of each channel that the node reads (its first input) and writes.
    vital
        By node name: the sets of atoms, touching those that the node writes, of which one must survive each, or some
        layer would be left without channels. For layers with parameters only.
    """

    number: int
    inputs: Mapping[str, Atoms]
    outputs: Mapping[str, Atoms]
    vital: Mapping[str, tuple[Atoms, ...]]


def couple(graph: Graph, weights: Mapping[str, Weights]) -> Coupling:
    """The channel atoms of `graph`, with the channel counts of `weights`.

    Raises
    ------
    UnsupportedNetworkError
        If a grouped convolution is not depthwise: its filters cannot be removed one by one.
    """
    tracer = _Tracer(weights)
    for node in graph.nodes:
        tracer.trace(node)
    outputs = {name: tracer.united[atoms] for name, atoms in tracer.outputs.items()}
    inputs = {node.name: outputs[node.inputs[0]] for node in graph.nodes if node.inputs}
    return Coupling(len(tracer.united), inputs, outputs, _vital(graph, outputs, len(tracer.united)))


def grouped_convolution(graph: Graph) -> Node | None:
    """The first convolution with more than one group and more than one channel in each; None if there is none."""
    for node in graph.nodes:
        if node.op is Op.CONV and node.attributes.get("groups", 1) not in (1, node.attributes.get("in_channels")):
            return node
    return None


def _vital(graph: Graph, outputs: Mapping[str, Atoms], number: int) -> dict[str, tuple[Atoms, ...]]:
    # Whatever a layer reads is made of whole outputs of convolutions, or is a slice: one survivor in each is enough.
    wholes = (np.unique(outputs[node.name]) for node in graph.nodes if node.op in (Op.CONV, Op.SLICE))
    sets = list({atoms.tobytes(): atoms for atoms in wholes}.values())
    members = np.concatenate(sets)
    owner = np.repeat(np.arange(len(sets)), [len(atoms) for atoms in sets])
    vital = {}
    for node in graph.layers():
        written = np.zeros(number, np.bool_)
        written[outputs[node.name]] = True
        vital[node.name] = tuple(sets[index] for index in np.unique(owner[written[members]]))
    return vital


class _Tracer:
    """Follows the atoms through the nodes in execution order; `united[a]` is the atom that `a` has become."""

    def __init__(self, weights: Mapping[str, Weights]) -> None:
        self.weights = weights
        self.united: Atoms = np.empty(0, np.int64)
        self.outputs: dict[str, Atoms] = {}
        self.areas: dict[str, int] = {}

    def trace(self, node: Node) -> None:
        sources = [self.outputs[name] for name in node.inputs]
        self.outputs[node.name] = self._flow(node, sources)
        self.areas[node.name] = math.prod(int(size) for size in node.shape[1:])

    def _flow(self, node: Node, sources: list[Atoms]) -> Atoms:
        match node.op:
            case Op.INPUT:
                return self._create(int(node.shape[0]))
            case Op.CONV:
                return self._convolve(node, sources[0])
            case Op.LINEAR:
                return self._create(len(self.weights[f"{node.module}.weight"]))
            case Op.ADD:
                return self._unite(*sources)
            case Op.CAT:
                return np.concatenate(sources)
            case Op.SLICE:
                return sources[0][_integer(node.attributes["start"]) : _integer(node.attributes["stop"])]
            case Op.CHANNEL_SHUFFLE:
                return sources[0].reshape(_integer(node.attributes["groups"]), -1).T.ravel()
            case Op.FLATTEN:
                return np.repeat(sources[0], self.areas[node.inputs[0]])
            case _:
                return sources[0]

    def _create(self, channels: int) -> Atoms:
        known = len(self.united)
        self.united = np.arange(known + channels) if not known else np.append(self.united, known + np.arange(channels))
        return self.united[known:]

    def _convolve(self, node: Node, inputs: Atoms) -> Atoms:
        filters, columns = self.weights[f"{node.module}.weight"].shape[:2]
        if columns == len(inputs):
            return self._create(filters)
        if columns == 1:  # depthwise
            return np.repeat(inputs, filters // len(inputs))
        raise UnsupportedNetworkError(
            f"{len(inputs) // columns} groups of {columns} channels",
            where=node.module,
            expected="convolutions over all channels or over single ones",
            next_step="use Reset or Trim for this network",
        )

    def _unite(self, one: Atoms, other: Atoms) -> Atoms:
        """Channel i of one operand and channel i of the other become the same atom."""
        while True:
            a, b = self.united[one], self.united[other]
            if np.array_equal(a, b):
                return a
            # Each round unites at least one pair; a second one is needed only if a channel stands in several pairs.
            become = np.arange(len(self.united))
            become[np.maximum(a, b)] = np.minimum(a, b)
            self.united = become[self.united]


def _integer(value: Attribute) -> int:
    assert isinstance(value, int)
    return value
