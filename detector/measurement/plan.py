"""The canonical graph as a short list of fused steps: what an engine executes, without saying how.

Convolution, batch normalisation, addition and activation become one step wherever nothing else reads the values in
between, a concatenation that repeats an earlier one and adds a value only appends it, and every value is dropped after
its last reader. Reads reference graphs only, which are ours and trusted.
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
    front, front_eps
        Module of the batch normalisation in front of the convolution, with a RELU in between, and its epsilon.
    adds
        Whether the last input is added before the activation.
    activation
        RELU or RELU6, or None.
    room
        Of a concatenation that later ones extend: channels of the longest of them.
    extends
        Whether a concatenation appends its last input to the first one, which has room for it.
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
    front: str = ""
    front_eps: float = 0.0
    adds: bool = False
    activation: Op | None = None
    room: int = 0
    extends: bool = False
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
    channels = {node.name: node.shape[0] for node in graph.nodes}
    return _with_drops(_with_growth(tuple(steps.values()), channels))


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
        if step is None or readers[name] != 1:
            continue
        if _takes_in_front(node, step):
            return name, replace(_alone(node, step.inputs), front=step.module, front_eps=step.eps)
        if step.activation is not None:
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


def _takes_in_front(node: Node, step: Step) -> bool:
    """Whether a convolution reads nothing but rectified normalised values: no zeros from padding."""
    rectified = step.op is Op.BATCH_NORM and step.activation is Op.RELU
    plain = node.attributes.get("padding") == (0, 0) and node.attributes.get("groups") == 1
    return node.op is Op.CONV and rectified and plain


def _with_growth(steps: tuple[Step, ...], channels: Mapping[str, int | str]) -> tuple[Step, ...]:
    """Concatenations that repeat the one before them append to it; the first of each chain has room for all."""
    grown: list[Step] = []
    last: Step | None = None  # as it was before
    first = 0  # index of the step that begins the chain of `last`
    for index, step in enumerate(steps):
        grown.append(step)
        if step.op is not Op.CAT:
            continue
        if last is not None and step.inputs[:-1] == last.inputs:
            room = channels[step.output]
            assert isinstance(room, int)
            grown[first] = replace(grown[first], room=room)
            grown[index] = replace(step, inputs=(last.output, step.inputs[-1]), extends=True)
        else:
            first = index
        last = step
    return tuple(grown)


def _number(value: Attribute) -> float:
    assert isinstance(value, float | int)
    return float(value)


def _with_drops(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    last_reader = {name: index for index, step in enumerate(steps) for name in step.inputs}
    drops: dict[int, list[str]] = {}
    for name, index in last_reader.items():
        drops.setdefault(index, []).append(name)
    return tuple(replace(step, drops=tuple(drops.get(index, ()))) for index, step in enumerate(steps))
