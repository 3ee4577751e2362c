"""The fused plan: what is fused where, on small graphs written by hand and on the real ones."""

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
    used = [module for step in plan for module in (step.module if step.op is not Op.RELU else "", step.norm) if module]
    with_parameters = {node.module for node in reference_graph(name).layers()}
    assert sorted(module for module in used if module in with_parameters) == sorted(with_parameters)
    outputs = [step.output for step in plan]
    for index, step in enumerate(plan):
        assert set(step.inputs) <= set(outputs[:index])
