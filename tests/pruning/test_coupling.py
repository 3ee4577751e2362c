"""Channel atoms of small graphs, written out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from detector.base.errors import ParametersError
from detector.graph.ir import Graph, Node, Op
from detector.pruning.coupling import Coupling, couple

IMAGE = Node("image", Op.INPUT, (), (3, 8, 8))


def conv(name: str, source: str, order: int = 0) -> Node:
    return Node(name, Op.CONV, (source,), ("?", 8, 8), module=name, order=order)


def couple_up(nodes: list[Node], **shapes: tuple[int, int]) -> Coupling:
    """Couples image -> nodes; `shapes` are (filters, columns) of the convolutions."""
    weights = {f"{name}.weight": np.zeros((*shape, 3, 3), np.float32) for name, shape in shapes.items()}
    sized = [
        Node(n.name, n.op, n.inputs, (shapes.get(n.name, (4,))[0], 8, 8), n.module, n.order, n.attributes)
        for n in nodes
    ]
    return couple(Graph("toy", (IMAGE, *sized)), weights)


def same(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(one.tolist() == other.tolist())


def test_convolutions_make_new_channels_and_everything_else_hands_them_on() -> None:
    norm = Node("norm", Op.BATCH_NORM, ("a",), (4, 8, 8), module="norm", order=1)
    toy = couple_up([conv("a", "image"), norm, Node("relu", Op.RELU, ("norm",), (4, 8, 8)), conv("b", "relu", 2)],
                    a=(4, 3), b=(5, 4))  # fmt: skip
    assert toy.number == 3 + 4 + 5
    assert same(toy.outputs["norm"], toy.outputs["a"])
    assert same(toy.inputs["b"], toy.outputs["a"])
    atoms = np.concatenate([toy.outputs[name] for name in ("image", "a", "b")])
    assert sorted(atoms.tolist()) == list(range(12))


def test_addition_unites_channel_by_channel_also_through_earlier_additions() -> None:
    toy = couple_up(
        [
            conv("a", "image"),
            conv("b", "image"),
            Node("one", Op.ADD, ("a", "b"), (4, 8, 8)),
            conv("c", "one"),
            Node("two", Op.ADD, ("one", "c"), (4, 8, 8)),
        ],
        a=(4, 3),
        b=(4, 3),
        c=(4, 4),
    )
    assert len(set(toy.outputs["a"].tolist())) == 4
    for name in ("b", "c", "one", "two"):
        assert same(toy.outputs[name], toy.outputs["a"])
    assert same(toy.inputs["c"], toy.outputs["a"])


def test_addition_of_channels_in_another_order_unites_them_in_circles() -> None:
    swap = Node("swap", Op.CHANNEL_SHUFFLE, ("a",), (4, 8, 8), attributes={"groups": 2})  # 0 2 1 3
    toy = couple_up([conv("a", "image"), swap, Node("sum", Op.ADD, ("a", "swap"), (4, 8, 8))], a=(4, 3))
    first, second, third, fourth = toy.outputs["a"].tolist()
    assert second == third
    assert len({first, second, fourth}) == 3


def test_concatenation_slicing_and_shuffling_rearrange() -> None:
    toy = couple_up(
        [
            conv("a", "image"),
            conv("b", "image"),
            Node("cat", Op.CAT, ("a", "b"), (6, 8, 8)),
            Node("shuffle", Op.CHANNEL_SHUFFLE, ("cat",), (6, 8, 8), attributes={"groups": 2}),
            Node("slice", Op.SLICE, ("shuffle",), (3, 8, 8), attributes={"start": 2, "stop": 5}),
        ],
        a=(4, 3),
        b=(2, 3),
    )
    a, b = toy.outputs["a"].tolist(), toy.outputs["b"].tolist()
    assert toy.outputs["cat"].tolist() == a + b
    assert toy.outputs["shuffle"].tolist() == [a[0], a[3], a[1], b[0], a[2], b[1]]
    assert toy.outputs["slice"].tolist() == [a[1], b[0], a[2]]


def test_a_depthwise_convolution_keeps_channels_and_flattening_repeats_them() -> None:
    flat = Node("flat", Op.FLATTEN, ("deep",), (256,))
    toy = couple_up([conv("a", "image"), conv("deep", "a", 1), flat], a=(4, 3), deep=(4, 1))
    assert same(toy.outputs["deep"], toy.outputs["a"])
    assert same(toy.outputs["flat"], np.repeat(toy.outputs["a"], 64))


def test_other_grouped_convolutions_are_refused() -> None:
    with pytest.raises(ParametersError, match="2 groups of 2 channels"):
        couple_up([conv("a", "image"), conv("grouped", "a", 1)], a=(4, 3), grouped=(8, 2))


def test_vital_sets_are_those_that_a_layer_touches() -> None:
    cut = Node("cut", Op.SLICE, ("cat",), (2, 8, 8), attributes={"start": 3, "stop": 5})
    toy = couple_up(
        [
            conv("a", "image"),
            conv("b", "image", 1),
            Node("cat", Op.CAT, ("a", "b"), (6, 8, 8)),
            cut,
            conv("c", "cut", 2),
        ],
        a=(4, 3),
        b=(2, 3),
        c=(3, 2),
    )

    def vital(name: str) -> set[tuple[int, ...]]:
        return {tuple(atoms.tolist()) for atoms in toy.vital[name]}

    a, b, c = (tuple(toy.outputs[name].tolist()) for name in "abc")
    assert vital("a") == {a, (a[3], b[0])}
    assert vital("b") == {b, (a[3], b[0])}
    assert vital("c") == {c}
