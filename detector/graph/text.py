"""The canonical graph as text: one node a line, read back exactly.

Columns are padded to fixed widths, so that changing one node changes one line. The text comes from `make reference`
and is part of the repository; a damaged file is a `ValueError`, never a different graph.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Mapping

from detector.graph.ir import CLASSES, Attribute, Graph, Node, Op

FORMAT_VERSION = 1
_NOTHING = "-"  # an empty column
_COLUMNS = "# order name op shape inputs module attributes"
_WIDTHS = (5, 36, 17, 12, 36, 36)
_WORD = re.compile(r"[^\s=]+")


def format_graph(graph: Graph) -> str:
    """The text of a graph, ending in a newline.

    Raises
    ------
    ValueError
        If a name or value would not survive the round trip (blanks, `=`, infinities).
    """
    lines = [f"canonical graph, format {FORMAT_VERSION}", f"architecture {_word(graph.architecture)}", _COLUMNS]
    return "\n".join(lines + [_format_node(node) for node in graph.nodes]) + "\n"


def parse_graph(text: str) -> Graph:
    """The graph that `format_graph` wrote.

    Raises
    ------
    ValueError
        If the text is no graph of this format, naming the line.
    """
    title, architecture, columns, *lines = [*text.splitlines(), "", "", ""]
    if title != f"canonical graph, format {FORMAT_VERSION}" or columns != _COLUMNS:
        raise ValueError(f"not a canonical graph of format {FORMAT_VERSION}: {title!r}")
    nodes = tuple(_parse_node(line, number) for number, line in enumerate(lines, start=4) if line)
    return Graph(architecture.removeprefix("architecture "), nodes)


def format_attributes(attributes: Mapping[str, Attribute | None]) -> str:
    """`key=value` pairs separated by one blank; values are Python literals without blanks, or a bare N."""
    return " ".join(f"{_word(key)}={format_value(value)}" for key, value in attributes.items())


def parse_attributes(words: list[str]) -> dict[str, Attribute]:
    """The inverse of `format_attributes`, given its pairs."""
    pairs = (word.split("=", 1) for word in words)
    return {key: _parse_value(value) for key, value in pairs}


def format_value(value: Attribute | None) -> str:
    """One attribute value: `3`, `(3,3)`, `1e-05`, `True`, `'zeros'`, or N for the class count."""
    text = value if value == CLASSES else repr(value).replace(", ", ",")
    if _parse_value(_word(text)) != value:
        raise ValueError(f"{value!r} cannot be written as text")
    return text


@functools.cache  # few distinct values, thousands of occurrences
def _parse_value(text: str) -> Attribute:
    value: Attribute = CLASSES if text == CLASSES else ast.literal_eval(text)
    return value


def _format_node(node: Node) -> str:
    cells = (
        _NOTHING if node.order < 0 else str(node.order),
        _word(node.name),
        node.op.value,
        "x".join(map(str, node.shape)) or _NOTHING,
        ",".join(map(_word, node.inputs)) or _NOTHING,
        _word(node.module or _NOTHING),
    )
    padded = " ".join(cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True))
    return f"{padded} {format_attributes(node.attributes)}".rstrip()


def _parse_node(line: str, number: int) -> Node:
    try:
        order, name, op, shape, inputs, module, *attributes = line.split()
        return Node(
            name=name,
            op=Op(op),
            inputs=() if inputs == _NOTHING else tuple(inputs.split(",")),
            shape=() if shape == _NOTHING else tuple(map(_parse_size, shape.split("x"))),
            module="" if module == _NOTHING else module,
            order=-1 if order == _NOTHING else int(order),
            attributes=parse_attributes(attributes),
        )
    except (ValueError, SyntaxError) as error:
        raise ValueError(f"line {number} is not a node: {line!r} ({error})") from error


def _parse_size(text: str) -> int | str:
    return CLASSES if text == CLASSES else int(text)


def _word(text: str) -> str:
    if not _WORD.fullmatch(text):
        raise ValueError(f"{text!r} is not one word")
    return text
