"""The graph as text: exact round trip, and damaged text is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.graph.dot import to_dot
from detector.graph.ir import CLASSES, Graph, Node, Op
from detector.graph.text import format_graph, parse_graph

_names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.]{0,50}", fullmatch=True)
_values = st.one_of(
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.floats(allow_nan=False, allow_infinity=False),
    st.just(CLASSES),
    _names,
    st.lists(st.integers(-9, 999), max_size=4).map(tuple),
)
_nodes = st.builds(
    Node,
    name=_names,
    op=st.sampled_from(Op),
    inputs=st.lists(_names, max_size=5).map(tuple),
    shape=st.lists(st.integers(1, 9999) | st.just(CLASSES), max_size=3).map(tuple),
    module=_names | st.just(""),
    order=st.integers(-1, 999),
    attributes=st.dictionaries(_names, _values, max_size=6),
)

_SMALL = Graph(
    "tiny",
    (
        Node("x", Op.INPUT, (), (3, 224, 224)),
        Node("conv", Op.CONV, ("x",), (8, 112, 112), "features.0", 2, {"kernel_size": (3, 3), "bias": False}),
        Node("fc", Op.LINEAR, ("conv",), (CLASSES,), "fc", 3, {"out_features": CLASSES, "p": 1e-05}),
    ),
)
_SMALL_TEXT = """canonical graph, format 1
architecture tiny
# order name op shape inputs module attributes
- x input 3x224x224 - -
2 conv conv 8x112x112 x features.0 kernel_size=(3,3) bias=False
3 fc linear N conv fc out_features=N p=1e-05
"""


@settings(max_examples=50, deadline=None)
@given(st.lists(_nodes, max_size=8))
def test_round_trip_is_exact(nodes: list[Node]) -> None:
    graph = Graph("any", tuple(nodes))
    back = parse_graph(format_graph(graph))
    assert back == graph
    assert [[type(v) for v in node.attributes.values()] for node in back.nodes] == [
        [type(v) for v in node.attributes.values()] for node in nodes
    ]


def test_one_aligned_line_per_node() -> None:
    text = format_graph(_SMALL)
    assert [line.split() for line in text.splitlines()] == [line.split() for line in _SMALL_TEXT.splitlines()]
    assert parse_graph(_SMALL_TEXT) == _SMALL


@pytest.mark.parametrize("value", ["two words", float("inf"), float("nan"), "="])
def test_what_cannot_be_read_back_is_not_written(value: str | float) -> None:
    with pytest.raises(ValueError):
        format_graph(Graph("bad", (Node("n", Op.RELU, (), (), attributes={"key": value}),)))


@pytest.mark.parametrize(
    "damage",
    [
        ("format 1", "format 2"),
        ("3x224x224", "3x224y224"),
        (" linear ", " lstm "),
        ("2 conv", "two conv"),
        ("p=1e-05", "p=__import__('os')"),
        ("p=1e-05", "p"),
        ("3 fc linear N conv fc", "3 fc"),
    ],
)
def test_damaged_text_is_refused(damage: tuple[str, str]) -> None:
    with pytest.raises(ValueError):
        parse_graph(_SMALL_TEXT.replace(*damage))


def test_drawing_has_one_box_per_node_and_one_arrow_per_input() -> None:
    lines = to_dot(_SMALL).splitlines()
    assert lines[0] == 'digraph "tiny" {'
    assert lines[-1] == "}"
    assert [line for line in lines if "->" in line] == ['  "x" -> "conv";', '  "conv" -> "fc";']
    (box,) = (line for line in lines if line.startswith('  "conv" ['))
    for part in ("conv features.0", "kernel_size=(3,3)", "bias=False", "8 x 112 x 112"):
        assert part in box
