"""Which layers of a network are pruned, read from its reference graph.

Every Conv2d and BatchNorm2d, in the order of `network.modules()`, as the reference implementation does; linear layers
never. The layer that produces the classifier's outputs is left alone, because a class without an output cannot be
predicted: for SqueezeNet that is a convolution. The graph is ours and trusted; no weights are needed here.
"""

from __future__ import annotations

from detector.graph.ir import Graph, Node, Op
from detector.pruning.theta import PruningMethod, SelectionRule, Theta

_WITH_PARAMETERS = (Op.CONV, Op.BATCH_NORM, Op.LINEAR)


def classifier(graph: Graph) -> Node:
    """The layer that produces the classifier's outputs: the last one with parameters."""
    return next(node for node in reversed(graph.nodes) if node.op in _WITH_PARAMETERS)


def prunable_layers(graph: Graph, theta: Theta) -> tuple[Node, ...]:
    """Convolutions and batch normalisations that `theta` prunes, in the order of `network.modules()`.

    NIST's code resets and trims SqueezeNet's last convolution too. Its Remove cannot run there, and nobody can remove
    a class, so Remove spares the classifier under both rules.
    """
    layers = tuple(node for node in graph.layers() if node.op in (Op.CONV, Op.BATCH_NORM))
    if theta.rule is SelectionRule.NIST and theta.pruning_method is not PruningMethod.REMOVE:
        return layers
    return tuple(node for node in layers if node != classifier(graph))
