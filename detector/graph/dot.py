"""The canonical graph as a Graphviz drawing, as the paper publishes its reference graphs. Output only."""

from __future__ import annotations

from detector.graph.ir import Graph, Node, Op
from detector.graph.text import format_value

_COLOURS = {
    Op.CONV: "lightblue",
    Op.LINEAR: "lightblue",
    Op.BATCH_NORM: "lightyellow",
    Op.ADD: "lightpink",
    Op.CAT: "lightpink",
}


def to_dot(graph: Graph) -> str:
    """A `digraph` with one box per node (operation, module, attributes, output shape) and one edge per input."""
    lines = [
        f'digraph "{graph.architecture}" {{',
        "  rankdir=TB;",
        '  node [shape=box, style=filled, fontname="Arial"];',
    ]
    lines += [_box(node) for node in graph.nodes]
    lines += [f'  "{name}" -> "{node.name}";' for node in graph.nodes for name in node.inputs]
    return "\n".join([*lines, "}"]) + "\n"


def _box(node: Node) -> str:
    title = f"{node.op} {node.module}".rstrip()
    attributes = [f"{key}={format_value(value)}" for key, value in node.attributes.items()]
    label = "\\n".join([title, *attributes, " x ".join(map(str, node.shape))])
    return f'  "{node.name}" [label="{label}", fillcolor={_COLOURS.get(node.op, "white")}];'
