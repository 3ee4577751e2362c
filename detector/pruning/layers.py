"""Which layers of a network are pruned, read from its reference graph.

By default every Conv2d and BatchNorm2d, in the order of `network.modules()`, as the reference implementation does; a
method says if it is others. The layer that produces the classifier's outputs is left alone, because a class without an
output cannot be predicted: for SqueezeNet that is a convolution. The graph is ours and trusted; no weights are needed
here.
"""

from __future__ import annotations

from collections.abc import Mapping

from detector.graph.ir import Graph, Node, Op
from detector.pruning.method import find_method
from detector.pruning.theta import LayerRange, SelectionRule, Theta

_WITH_PARAMETERS = (Op.CONV, Op.BATCH_NORM, Op.LINEAR)


def classifier(graph: Graph) -> Node:
    """The layer that produces the classifier's outputs: the last one with parameters."""
    return next(node for node in reversed(graph.nodes) if node.op in _WITH_PARAMETERS)


def prunable_layers(graph: Graph, theta: Theta) -> tuple[Node, ...]:
    """The layers whose filters `theta` selects, in the order of `network.modules()`.

    NIST's code resets and trims SqueezeNet's last convolution too. Its Remove cannot run there, and nobody can remove
    a class, so Remove spares the classifier under both rules.
    """
    method = find_method(theta.pruning_method)
    layers = tuple(node for node in graph.layers() if node.op in method.layer_kinds)
    if theta.rule is SelectionRule.PAPER or method.spares_classifier:
        layers = tuple(node for node in layers if node != classifier(graph))
    return _third(graph, layers, theta.layers)


def _third(graph: Graph, layers: tuple[Node, ...], part: LayerRange) -> tuple[Node, ...]:
    """Those of `layers` that are executed in that third of them; thirds as equal as whole layers allow."""
    if part is LayerRange.ALL:
        return layers
    number = (LayerRange.EARLY, LayerRange.MIDDLE, LayerRange.LATE).index(part)
    executed = [node for node in graph.nodes if node in layers]
    chosen = executed[number * len(layers) // 3 : (number + 1) * len(layers) // 3]
    return tuple(node for node in layers if node in chosen)


def normalisations(graph: Graph) -> Mapping[str, Node]:
    """By the name of a convolution: the batch normalisation directly behind it, where there is one.

    DenseNet's other ones normalise what several convolutions have written, and stand behind none.
    """
    convolutions = {node.name for node in graph.nodes if node.op is Op.CONV}
    behind = (node for node in graph.nodes if node.op is Op.BATCH_NORM)
    return {node.inputs[0]: node for node in behind if node.inputs[0] in convolutions}
