"""How many multiply-adds a network needs for one image: the arithmetic that no engine can avoid.

Counted from the canonical graph, convolutions and linear layers only, as is usual: the rest is a few percent.
"""

from __future__ import annotations

import math

from detector.graph.ir import CLASSES, Graph, Node, Op


def multiply_adds(graph: Graph, num_classes: int) -> int:
    """Multiply-adds of convolutions and linear layers for one 224 x 224 image."""
    return sum(_of_node(node, num_classes) for node in graph.nodes)


def _of_node(node: Node, num_classes: int) -> int:
    outputs = math.prod(num_classes if size == CLASSES else int(size) for size in node.shape)
    if node.op is Op.CONV:
        window = node.attributes["kernel_size"]
        assert isinstance(window, tuple)
        return outputs * math.prod(window) * _count(node, "in_channels") // _count(node, "groups")
    if node.op is Op.LINEAR:
        return outputs * _count(node, "in_features")
    return 0


def _count(node: Node, attribute: str) -> int:
    value = node.attributes[attribute]
    assert isinstance(value, int)
    return value
