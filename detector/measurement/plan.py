"""The canonical graph as a short list of fused steps: what an engine executes, without saying how.

Convolution, batch normalisation, addition and activation become one step wherever nothing else reads the values in
between, and every value is dropped after its last reader. Reads reference graphs only, which are ours and trusted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from detector.graph.ir import Attribute, Graph, Node, Op

_IDENTITIES = (Op.DROPOUT, Op.OUTPUT)
_ACTIVATIONS = (Op.RELU, Op.RELU6)


@dataclass(frozen=True)
class Step:
    """One fused operation.

    Attributes
    ----------
    output, inputs
        Names of values; the inputs of a fused addition come last.
    op
        What is computed; for a fused step, what it starts with.
    module
        Owner of the parameters of a convolution, a lone batch normalisation or a linear layer.
    norm, eps
        Module of the batch normalisation that follows the convolution, and its epsilon.
    adds
        Whether the last input is added before the activation.
    activation
        RELU or RELU6, or None.
    drops
        Values that no later step reads.
    """

    output: str
    op: Op
    inputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]
    module: str = ""
    norm: str = ""
    eps: float = 0.0
    adds: bool = False
    activation: Op | None = None
    drops: tuple[str, ...] = field(default=())


def make_plan(graph: Graph) -> tuple[Step, ...]:
    """The fused steps of a graph, in order; the output of the last one is the network's."""
    readers = Counter(name for node in graph.nodes for name in node.inputs)
    same: dict[str, str] = {}  # names of values that are another value unchanged
    steps: dict[str, Step] = {}
    for node in graph.nodes:
        inputs = tuple(same.get(name, name) for name in node.inputs)
        if node.op in _IDENTITIES or (node.op is Op.CAT and len(inputs) == 1):
            same[node.name] = inputs[0]
            readers[inputs[0]] += readers[node.name] - 1
            continue
        fused = _fused(node, inputs, steps, readers)
        if fused is not None:
            previous, step = fused
            del steps[previous]
            steps[node.name] = step
        else:
            steps[node.name] = _alone(node, inputs)
    return _with_drops(tuple(steps.values()))


def _alone(node: Node, inputs: tuple[str, ...]) -> Step:
    if node.op is Op.BATCH_NORM:
        attributes, eps = node.attributes, _number(node.attributes["eps"])
        return Step(node.name, Op.BATCH_NORM, inputs, attributes, node.module, eps=eps)
    return Step(node.name, node.op, inputs, node.attributes, node.module)


def _fused(
    node: Node, inputs: tuple[str, ...], steps: dict[str, Step], readers: Mapping[str, int]
) -> tuple[str, Step] | None:
    """The name of the step that `node` completes, and the completed step; None if it starts a step of its own."""
    for name in reversed(inputs):  # of two convolutions that are added, the one computed last takes the addition
        step = steps.get(name)
        if step is None or readers[name] != 1 or step.activation is not None:
            continue
        if node.op in _ACTIVATIONS and step.op in (Op.CONV, Op.BATCH_NORM):
            return name, replace(step, output=node.name, activation=node.op)
        if step.op is not Op.CONV or step.adds:
            continue
        if node.op is Op.BATCH_NORM and not step.norm:
            return name, replace(step, output=node.name, norm=node.module, eps=_number(node.attributes["eps"]))
        if node.op is Op.ADD and name == next(reversed(steps)):
            other = inputs[0] if inputs[1] == name else inputs[1]
            return name, replace(step, output=node.name, inputs=(*step.inputs, other), adds=True)
    return None


def _number(value: Attribute) -> float:
    assert isinstance(value, float | int)
    return float(value)


def _with_drops(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    last_reader = {name: index for index, step in enumerate(steps) for name in step.inputs}
    drops: dict[int, list[str]] = {}
    for name, index in last_reader.items():
        drops.setdefault(index, []).append(name)
    return tuple(replace(step, drops=tuple(drops.get(index, ()))) for index, step in enumerate(steps))
