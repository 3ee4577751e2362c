"""The audit refuses what could run, hide or replace something in a network, naming the module and the attribute."""

from __future__ import annotations

import io
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from detector.base.errors import CorruptModelError, ModelRefusedError, UnsafeModelError
from detector.model_file import parse_model
from detector.model_file.audit import MODULE_METHODS

pytestmark = pytest.mark.hostile


def _refused(content: bytes, error: type[ModelRefusedError] = UnsafeModelError) -> str:
    with pytest.raises(error) as caught:
        parse_model(content)
    return f"{caught.value.where}: {caught.value.what}"


SEQUENTIAL = ("torch.nn.modules.container", "Sequential")


def _with(forge: SimpleNamespace, **state: object) -> Any:
    """A network whose module 1 has these entries in its state."""

    def value(storages: Any) -> Any:
        children = {
            "0": forge.network(storages),
            "1": forge.module(("torch.nn.modules.linear", "Identity"), state=state),
        }
        return forge.module(SEQUENTIAL, children=children)

    return forge.container(value)


def _identity(forge: SimpleNamespace) -> Any:
    return forge.module(("torch.nn.modules.linear", "Identity"))


HOOKS = [
    *("_backward_hooks", "_backward_pre_hooks", "_forward_hooks", "_forward_hooks_with_kwargs"),
    *("_forward_hooks_always_called", "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_state_dict_hooks"),
    *("_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks", "my_hook"),
]


@pytest.mark.parametrize("name", HOOKS)
def test_24_hooks(forge: SimpleNamespace, name: str) -> None:
    for value in (
        {0: _identity(forge)},
        {0: forge.Global("torch.nn.modules.linear", "Identity")},
        {0: None},
        [1],
        "text",
    ):
        assert f"module 1, attribute '{name}': a hook" in _refused(_with(forge, **{name: value}))
    assert parse_model(_with(forge, **{name: forge.ordered()})).tensors


METHODS = ["forward", "_forward_impl", "forward_one", *sorted(MODULE_METHODS)]


@pytest.mark.parametrize("name", METHODS)
def test_24_replaced_methods(forge: SimpleNamespace, name: str) -> None:
    for value in (_identity(forge), forge.Global("torch.nn.modules.linear", "Identity"), 1):
        assert f"module 1, attribute '{name}': an attribute that replaces a method" in _refused(
            _with(forge, **{name: value})
        )
    assert parse_model(_with(forge, **{name: None})).tensors


def test_24_all_methods_of_torch_are_known() -> None:
    methods = {name for name in dir(torch.nn.Module) if callable(getattr(torch.nn.Module, name))}
    assert {name for name in methods if not name.startswith("__") and name != "T_destination"} <= MODULE_METHODS


@pytest.mark.parametrize(
    "name", ["__class__", "__call__", "__dict__", "__setstate__", "__reduce__", "a.b", "", "é", "1a", "a b"]
)
def test_24_impossible_attribute_names(forge: SimpleNamespace, name: str) -> None:
    assert "an impossible attribute name" in _refused(_with(forge, **{name: 1}))


def test_24_objects_and_tensors_as_attributes(forge: SimpleNamespace) -> None:
    def tensor(storages: Any) -> Any:
        return forge.network(storages, extra=storages.tensor(np.ones(1, np.float32)))

    assert "attribute 'act': an object of torch.nn.modules.linear.Identity" in _refused(
        _with(forge, act=_identity(forge))
    )
    assert "attribute 'extra': the result of torch._utils._rebuild_tensor_v2" in _refused(forge.container(tensor))


def test_24_an_attribute_cannot_hide_a_parameter_or_child(forge: SimpleNamespace) -> None:
    """`module.weight` finds the instance's own attribute before the registered parameter."""

    def hidden(storages: Any) -> Any:
        parameters = {"weight": storages.parameter(np.ones(1, np.float32))}
        return forge.module(SEQUENTIAL, parameters=parameters, weight=1)

    assert "'weight' exists twice" in _refused(forge.container(hidden))
    assert "'relu' exists twice" in _refused(_with(forge, relu=1, _modules={"relu": _identity(forge)}))


def test_24_parameter_and_buffer_of_one_name(forge: SimpleNamespace) -> None:
    def twice(storages: Any) -> Any:
        first, second = ({"weight": storages.tensor(np.ones(1, np.float32))} for _ in range(2))
        return forge.module(SEQUENTIAL, parameters=first, buffers=second)

    assert "'weight' exists twice" in _refused(forge.container(twice))


def _saved(network: torch.nn.Module) -> bytes:
    buffer = io.BytesIO()
    torch.save(network, buffer)
    return buffer.getvalue()


def test_24_real_hooks_of_torch() -> None:
    network = torch.nn.Linear(2, 2)
    network.register_forward_pre_hook(torch.nn.Identity())
    assert "a hook" in _refused(_saved(network))


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_24_weight_norm() -> None:
    assert "torch.nn.utils.weight_norm.WeightNorm" in _refused(
        _saved(torch.nn.utils.weight_norm(torch.nn.Linear(2, 2)))
    )


def test_24_children_with_the_name_of_a_method(forge: SimpleNamespace) -> None:
    for name in ("parametrizations", "forward", "train"):
        assert f"name '{name}' in _modules" in _refused(_with(forge, _modules={name: _identity(forge)}))


def test_24_function_of_torch_as_an_attribute() -> None:
    network: Any = torch.nn.Linear(2, 2)
    network.activation = torch.nn.functional.relu
    assert "torch.nn.functional.relu" in _refused(_saved(network))


@pytest.mark.parametrize("content", ["_parameters", "_buffers", "_modules"])
def test_malformed_content(forge: SimpleNamespace, content: str) -> None:
    values: tuple[object, ...] = (None, [], {1: None}, {"a.b": None}, {"": None}, {"é": None})
    for value in values:
        assert content in _refused(_with(forge, **{content: value}))


def test_other_things_in_the_place_of_modules_and_tensors(forge: SimpleNamespace) -> None:
    values: tuple[object, ...] = (1, "text", [], forge.Global("torch.nn.modules.linear", "Identity"))
    for value in values:
        assert "in the place of a module" in _refused(_with(forge, _modules={"a": value}))
        assert "in the place of a tensor" in _refused(_with(forge, _parameters={"a": value}))
    assert "in the place of a tensor" in _refused(_with(forge, _buffers={"a": _identity(forge)}))


def test_module_without_state(forge: SimpleNamespace) -> None:
    assert "without content" in _refused(forge.container(forge.New(forge.Global("torch.nn.modules.conv", "Conv2d"))))


def test_wrong_backend(forge: SimpleNamespace) -> None:
    backend = forge.Reduce(forge.Global("torch.nn.backends.thnn", "_get_thnn_function_backend"), (1,))
    values: tuple[object, ...] = (backend, 1, {})
    for value in values:
        assert "as backend" in _refused(_with(forge, _backend=value))


def test_data_parallel_elsewhere_or_with_other_content(forge: SimpleNamespace) -> None:
    cls = ("torch.nn.parallel.data_parallel", "DataParallel")

    def wrap(inner: Callable[[Any], Any], **more: object) -> Callable[[Any], Any]:
        return lambda storages: forge.module(cls, children={"module": inner(storages), **more})

    assert parse_model(forge.container(wrap(forge.network))).data_parallel
    twice = parse_model(forge.container(wrap(wrap(forge.network))))  # answers as the network alone does
    assert list(twice.tensors) == list(parse_model(forge.container(forge.network)).tensors)
    assert "with other content" in _refused(forge.container(wrap(forge.network, other=_identity(forge))))
    assert "with other content" in _refused(forge.container(forge.module(cls)))


@pytest.mark.parametrize("value", [None, 1, "text", [], {}, {"epoch": 3}, {"model": {}}, {"a": {"b": 1}}], ids=repr)
def test_no_network_at_all(forge: SimpleNamespace, value: object) -> None:
    assert "was saved" in _refused(forge.container(value), CorruptModelError)


def test_network_without_tensors(forge: SimpleNamespace) -> None:
    assert "no tensors" in _refused(forge.container(_identity(forge)), CorruptModelError)


@pytest.mark.parametrize("name", ["a..b", "", "é", "a b", "a/b", "x" * 600, "a\nb"])
def test_names_in_state_dicts(forge: SimpleNamespace, name: str) -> None:
    assert "state dict" in _refused(forge.container(lambda s: {name: s.tensor(np.ones(1, np.float32))}))


def test_state_dict_with_anything_else(forge: SimpleNamespace) -> None:
    content = forge.container(lambda s: {"a": s.tensor(np.ones(1, np.float32)), "b": 3})
    assert "was saved" in _refused(content, CorruptModelError)


def test_long_module_paths(forge: SimpleNamespace) -> None:
    def value(storages: Any) -> Any:
        network = forge.network(storages)
        for _ in range(8):
            network = forge.module(SEQUENTIAL, children={"x" * 90: network})
        return network

    assert "too many characters in a module path" in _refused(forge.container(value))


def test_non_persistent_buffer_is_noted_and_left_out(forge: SimpleNamespace) -> None:
    names = forge.Reduce(forge.Global("builtins", "set"), (["running_mean"],))

    def value(storages: Any) -> Any:
        buffers = {
            "kept": storages.tensor(np.ones(1, np.float32)),
            "running_mean": storages.tensor(np.ones(1, np.float32)),
        }
        return forge.module(SEQUENTIAL, buffers=buffers, _non_persistent_buffers_set=names)

    record = parse_model(forge.container(value))
    assert list(record.tensors) == ["kept"]
    assert record.notes == ("1 buffers are not part of the state dict",)


def test_plain_values_of_every_kind(forge: SimpleNamespace) -> None:
    values = {
        "a": [1, (2.5, None)],
        "b": {"k": True},
        "c": forge.Reduce(forge.Global("torch", "Size"), ((1, 2),)),
        "d": -7,
    }
    record = parse_model(forge.container(lambda storages: forge.network(storages, **values)))
    attributes = record.modules[0].attributes
    assert {name: attributes[name] for name in values} == {
        "a": (1, (2.5, None)),
        "b": (("k", True),),
        "c": (1, 2),
        "d": -7,
    }
