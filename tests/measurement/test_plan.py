"""The fused plan: what is fused where, on small graphs written by hand and on the real ones."""

from dataclasses import replace

import pytest

from detector.architectures import ARCHITECTURES
from detector.graph.ir import Graph, Node, Op
from detector.graph.reference import reference_graph
from detector.measurement.plan import make_plan

CONV = {"stride": (1, 1)}


def graph(*nodes: tuple[str, Op, str]) -> Graph:
    made = [Node("x", Op.INPUT, (), (3, 8, 8))]
    for order, (name, op, inputs) in enumerate(nodes):
        attributes = {"eps": 1e-5} if op is Op.BATCH_NORM else {}
        made.append(Node(name, op, tuple(inputs.split()), (3, 8, 8), f"m.{name}", order, attributes))
    return Graph("by_hand", tuple(made))


def told(made: Graph) -> list[tuple[str, Op, tuple[str, ...], str, Op | None]]:
    return [(s.output, s.op, s.inputs, s.norm, s.activation) for s in make_plan(made)]


def test_conv_norm_relu_is_one_step() -> None:
    made = graph(("c", Op.CONV, "x"), ("n", Op.BATCH_NORM, "c"), ("r", Op.RELU, "n"), ("out", Op.OUTPUT, "r"))
    assert told(made) == [("x", Op.INPUT, (), "", None), ("r", Op.CONV, ("x",), "m.n", Op.RELU)]


def test_nothing_is_fused_past_a_second_reader() -> None:
    made = graph(("c", Op.CONV, "x"), ("r", Op.RELU, "c"), ("a", Op.CAT, "c r"))
    assert [step.output for step in make_plan(made)] == ["x", "c", "r", "a"]


def test_residual_addition_goes_to_the_last_convolution() -> None:
    made = graph(
        ("c", Op.CONV, "x"), ("n", Op.BATCH_NORM, "c"), ("a", Op.ADD, "n x"), ("r", Op.RELU, "a"), ("o", Op.OUTPUT, "r")
    )
    step = make_plan(made)[-1]
    assert (step.output, step.inputs, step.adds, step.activation) == ("r", ("x", "x"), True, Op.RELU)


def test_addition_of_two_convolutions_keeps_the_first_one_as_an_input() -> None:
    made = graph(("c", Op.CONV, "x"), ("d", Op.CONV, "x"), ("a", Op.ADD, "c d"))
    steps = make_plan(made)
    assert [step.output for step in steps] == ["x", "c", "a"]
    assert steps[-1].module == "m.d"
    assert steps[-1].inputs == ("x", "c")


def test_an_addition_is_not_moved_before_what_it_adds() -> None:
    made = graph(("c", Op.CONV, "x"), ("p", Op.MAX_POOL, "x"), ("a", Op.ADD, "c p"))
    assert [step.output for step in make_plan(made)] == ["x", "c", "p", "a"]


def test_no_norm_after_an_activation_and_no_second_norm() -> None:
    made = graph(("c", Op.CONV, "x"), ("r", Op.RELU, "c"), ("n", Op.BATCH_NORM, "r"), ("m", Op.BATCH_NORM, "n"))
    assert [(step.output, step.norm) for step in make_plan(made)[1:]] == [("r", ""), ("n", ""), ("m", "")]


@pytest.mark.parametrize(("padding", "groups", "fused"), [((0, 0), 1, True), ((1, 1), 1, False), ((0, 0), 8, False)])
def test_a_convolution_takes_in_the_rectified_norm_in_front_of_it(
    padding: tuple[int, int], groups: int, fused: bool
) -> None:
    """Not where it pads with zeros: what is folded in would be missing there."""
    made = graph(("p", Op.MAX_POOL, "x"), ("n", Op.BATCH_NORM, "p"), ("r", Op.RELU, "n"), ("c", Op.CONV, "r"))
    *others, conv = made.nodes
    made = replace(made, nodes=(*others, replace(conv, attributes={"padding": padding, "groups": groups})))
    step = make_plan(made)[-1]
    if fused:
        assert (step.output, step.inputs, step.front, step.front_eps) == ("c", ("p",), "m.n", 1e-5)
    else:
        assert (step.output, step.inputs, step.front) == ("c", ("r",), "")


def test_a_norm_that_others_read_stays_in_front() -> None:
    made = graph(("n", Op.BATCH_NORM, "x"), ("r", Op.RELU, "n"), ("c", Op.CONV, "r"), ("a", Op.ADD, "c r"))
    *others, conv, add = made.nodes
    made = replace(made, nodes=(*others, replace(conv, attributes={"padding": (0, 0), "groups": 1}), add))
    assert [step.output for step in make_plan(made)] == ["x", "r", "a"]


def test_concatenations_that_repeat_the_last_one_extend_it() -> None:
    made = graph(
        ("a", Op.MAX_POOL, "x"),
        ("c2", Op.CAT, "x a"),
        ("b", Op.MAX_POOL, "c2"),
        ("c3", Op.CAT, "x a b"),
        ("c", Op.MAX_POOL, "c3"),
        ("other", Op.CAT, "a c"),
        ("far", Op.CAT, "a c x b"),
    )
    channels = {"c2": 6, "c3": 9, "other": 6, "far": 12}
    nodes = tuple(replace(node, shape=(channels.get(node.name, 3), 8, 8)) for node in made.nodes)
    cats = [step for step in make_plan(replace(made, nodes=nodes)) if step.op is Op.CAT]
    assert [(step.output, step.inputs, step.room, step.extends) for step in cats] == [
        ("c2", ("x", "a"), 9, False),
        ("c3", ("c2", "b"), 0, True),
        ("other", ("a", "c"), 0, False),
        ("far", ("a", "c", "x", "b"), 0, False),
    ]


def test_identities_vanish_and_their_readers_count() -> None:
    made = graph(("c", Op.CONV, "x"), ("d", Op.DROPOUT, "c"), ("r", Op.RELU, "d"), ("s", Op.CAT, "r"))
    assert [step.output for step in make_plan(made)] == ["x", "r"]
    twice = graph(("c", Op.CONV, "x"), ("d", Op.DROPOUT, "c"), ("r", Op.RELU, "d"), ("s", Op.CAT, "r d"))
    assert [step.output for step in make_plan(twice)] == ["x", "c", "r", "s"]


def test_values_are_dropped_after_their_last_reader() -> None:
    made = graph(("c", Op.CONV, "x"), ("p", Op.MAX_POOL, "x"), ("a", Op.CAT, "c p"))
    assert [step.drops for step in make_plan(made)] == [(), (), ("x",), ("c", "p")]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_parameter_of_the_real_graphs_is_used_once(name: str) -> None:
    plan = make_plan(reference_graph(name))
    modules = [(step.module if step.op is not Op.RELU else "", step.norm, step.front) for step in plan]
    used = [module for step in modules for module in step if module]
    with_parameters = {node.module for node in reference_graph(name).layers()}
    assert sorted(module for module in used if module in with_parameters) == sorted(with_parameters)
    outputs = [step.output for step in plan]
    for index, step in enumerate(plan):
        assert set(step.inputs) <= set(outputs[:index])
