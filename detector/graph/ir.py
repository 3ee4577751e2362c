"""The canonical graph of an architecture: a small data-flow description that needs no torch to read.

It is what `reference_data/<architecture>.graph` holds, one node a line, in execution order, and everything that must
know the structure reads it from here: quality assurance (does the file match?), Remove (which channels are coupled?),
the counts of operations, the Graphviz drawings. The text is ours and trusted; model files are compared with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Attribute = bool | int | float | str | tuple[int, ...]
CLASSES = "N"  # stands for the number of classes wherever a shape depends on it


class Op(StrEnum):
    """Every operation that the known architectures are made of."""

    INPUT = "input"
    CONV = "conv"
    BATCH_NORM = "batch_norm"
    LINEAR = "linear"
    RELU = "relu"
    RELU6 = "relu6"
    MAX_POOL = "max_pool"
    AVG_POOL = "avg_pool"
    ADAPTIVE_AVG_POOL = "adaptive_avg_pool"
    GLOBAL_MEAN = "global_mean"  # mean over height and width, without keeping them
    DROPOUT = "dropout"  # the identity in evaluation mode; kept because it is part of the structure
    ADD = "add"
    CAT = "cat"  # along channels
    SLICE = "slice"  # channels start..stop of the input
    CHANNEL_SHUFFLE = "channel_shuffle"  # (groups, C / groups) transposed
    FLATTEN = "flatten"  # everything but the batch
    OUTPUT = "output"


@dataclass(frozen=True)
class Node:
    """One operation.

    Attributes
    ----------
    name
        Unique, a valid identifier; `inputs` name other nodes.
    op, inputs
        What is computed from what. Inputs come before the node.
    shape
        Of the output without the batch dimension, for a 224 x 224 input; `CLASSES` where it is the class count.
    module
        Path of the torch module that owns the parameters or the operation, as in the state dict; "" if functional.
    order
        For nodes with parameters: position of the module in `network.modules()`, the order in which the reference
        implementation prunes layers. -1 otherwise.
    attributes
        What the operation is configured with (kernel_size, stride, padding, dilation, groups, eps, bias, ...).
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    shape: tuple[int | str, ...]
    module: str = ""
    order: int = -1
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """The nodes of one architecture in execution order; the first is the input, the last the output."""

    architecture: str
    nodes: tuple[Node, ...]

    def layers(self) -> tuple[Node, ...]:
        """Nodes with parameters (conv, batch_norm, linear) in the order of `network.modules()`."""
        return tuple(sorted((node for node in self.nodes if node.order >= 0), key=lambda node: node.order))
