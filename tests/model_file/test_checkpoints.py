"""The same numbers in other wrapping are the same network; several networks in one file are refused by name."""

from __future__ import annotations

import collections
import datetime
import io
import json
import pathlib
import struct
from argparse import Namespace
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from detector.base.errors import CorruptModelError, ModelRefusedError, UnsafeModelError
from detector.model_file import ModelFileLimits, parse_model
from detector.model_file.records import ModelRecord

NUMBERS = np.arange(12, dtype=np.float32)


def _network(seed: int = 0) -> torch.nn.Sequential:
    torch.manual_seed(seed)
    block = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    return torch.nn.Sequential(block, torch.nn.Flatten(), torch.nn.Linear(4, 2)).eval()


def _saved(value: object, protocol: int = 2, legacy: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def _is_the_network(record: ModelRecord, network: torch.nn.Module | None = None) -> None:
    expected = (network or _network()).state_dict()
    assert list(record.tensors) == list(expected)
    assert all(np.array_equal(record.tensors[name], expected[name].numpy()) for name in expected)


def _prefixed(*prefixes: str) -> dict[str, torch.Tensor]:
    """Prefixes in turn, so that several stand on some of the names each."""
    state = _network().state_dict()
    return {f"{prefixes[index % len(prefixes)]}{name}": tensor for index, (name, tensor) in enumerate(state.items())}


@pytest.mark.parametrize(
    "prefixes",
    [
        ("_orig_mod.",),
        ("module._orig_mod.",),
        ("_orig_mod.module.",),
        ("model.",),
        ("model.module.net.",),
        ("module.model._orig_mod.backbone.",),
        ("module.", ""),
        ("model.", "", "module.model."),
    ],
    ids="/".join,
)
def test_prefixes(prefixes: tuple[str, ...]) -> None:
    record = parse_model(_saved(_prefixed(*prefixes)))
    _is_the_network(record)
    assert record.data_parallel is any("module." in prefix for prefix in prefixes)
    assert ("_orig_mod. in 9 of 9 names" in record.set_aside) is ("_orig_mod." in prefixes[0])


def test_wrappers_inside_names() -> None:
    """DataParallel around a part of a network: `features.module.0.weight`."""
    state = {name.replace("0.0.", "0.module.0.", 1): value for name, value in _network().state_dict().items()}
    _is_the_network(parse_model(_saved(state)))


def test_counter_of_averages_and_class_weights_are_set_aside() -> None:
    averaged = AveragedModel(_network()).state_dict() | {"criterion.weight": torch.ones(2)}
    record = parse_model(_saved(averaged))
    _is_the_network(record)
    assert {"entry n_averaged of the state dict", "entry criterion.weight of the state dict"} <= {*record.set_aside}


def test_old_names_of_densenet() -> None:
    state = {f"denseblock1.denselayer1.{old}.weight": torch.ones(2) for old in ("norm.1", "conv.1", "norm.2")}
    names = parse_model(_saved(state)).tensors
    assert list(names) == [f"denseblock1.denselayer1.{new}.weight" for new in ("norm1", "conv1", "norm2")]


@pytest.mark.parametrize(
    "wrap", [AveragedModel, torch.nn.DataParallel, lambda n: AveragedModel(torch.nn.DataParallel(n))]
)
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_wrapped_modules(wrap: Callable[..., Any], legacy: bool) -> None:
    record = parse_model(_saved(wrap(_network()).eval(), legacy=legacy))
    _is_the_network(record)
    assert [module.path for module in record.modules] == [name for name, _ in _network().named_modules()]


def test_data_parallel_around_a_part() -> None:
    network = _network()
    network[0] = torch.nn.DataParallel(network[0])
    record = parse_model(_saved(network))
    _is_the_network(record)
    assert record.set_aside == ("the wrapper DataParallel around 0",)


KEYS = ["state_dict", "model", "net", "model_state_dict", "ema", "model_ema", "network", "weights", "my_own_key"]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("whole", [False, True], ids=["state_dict", "module"])
def test_checkpoints_under_any_key(key: str, whole: bool) -> None:
    content = _network() if whole else _network().state_dict()
    record = parse_model(_saved({"epoch": 3, key: content}))
    _is_the_network(record)
    assert record.notes == (f"taken from entry '{key}' of a checkpoint",)
    assert record.set_aside == ("entries 'epoch'",)


def _harmless() -> dict[str, object]:
    optimiser = torch.optim.SGD(_network().parameters(), 0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, [30, 60])
    default = collections.defaultdict(list)
    default["loss"].append(0.5)
    return {
        "scheduler": schedule.state_dict(),
        "args": Namespace(lr=0.1, out=pathlib.PurePosixPath("a/b")),
        "accuracy": np.float64(0.97),
        "history": np.arange(300.0),
        "when": datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
        "path": pathlib.Path("runs"),
        "meters": default,
        "last": collections.deque([1.0, 2.0], maxlen=5),
        "ordered": collections.OrderedDict(a=1),
        "rng": torch.get_rng_state(),
        "numpy_rng": np.random.RandomState(0).get_state(),
        "dtype": torch.float16,
        "version": torch.__version__,
        "flag": torch.tensor([True]),
        "numbers": {0.1: "by float", 3: "by int"},
    }


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("key", _harmless())
def test_harmless_things_beside_the_network(key: str, protocol: int) -> None:
    record = parse_model(_saved({"state_dict": _network().state_dict(), key: _harmless()[key]}, protocol))
    _is_the_network(record)
    assert record.set_aside == (f"entries '{key}'",)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_a_network_with_its_compiler_is_refused_with_the_line_that_helps(forge: SimpleNamespace, legacy: bool) -> None:
    """torch.save(torch.compile(network)): the compiler's settings name getattr, which no file may."""
    compiler = forge.New(forge.Global("torch._dynamo.eval_frame", "OptimizeContext"))
    wrapper = forge.Global("torch._dynamo.eval_frame", "OptimizedModule")
    with pytest.raises(UnsafeModelError, match=r"torch\.compile") as caught:
        parse_model(forge.container(lambda s: forge.Reduce(wrapper, (forge.network(s), compiler)), legacy=legacy))
    assert "model._orig_mod.state_dict()" in caught.value.next_step
    assert "elsewhere" not in caught.value.next_step
    other = forge.Global("torch._dynamo.eval_frame", "anything_else")
    with pytest.raises(UnsafeModelError, match="do not open this file elsewhere"):
        parse_model(forge.container(other, legacy=legacy))


# Several networks.


@pytest.mark.hostile
@pytest.mark.parametrize("second", ["model", "hidden", "optimizer"])
def test_networks_that_differ_are_refused_with_their_names(second: str) -> None:
    inner = {"state": [{"deep": _network(1)}]} if second == "optimizer" else _network(1)
    with pytest.raises(UnsafeModelError, match="2 networks that differ") as caught:
        parse_model(_saved({"state_dict": _network().state_dict(), second: inner}))
    assert "'state_dict'" in caught.value.what
    assert f"'{second}'" in caught.value.what
    assert "torch.save(checkpoint['state_dict']" in caught.value.next_step


@pytest.mark.hostile
def test_the_second_network_is_audited_too() -> None:
    tampered = _network()
    tampered.register_forward_pre_hook(torch.nn.Identity())
    for content in ({"state_dict": _network().state_dict(), "model": tampered}, {"args": Namespace(m=tampered)}):
        with pytest.raises(UnsafeModelError, match="a hook"):
            parse_model(_saved(content))


@pytest.mark.hostile
def test_networks_with_equal_numbers_and_other_modules_differ() -> None:
    other = _network()
    convolution = other.get_submodule("0.0")
    assert isinstance(convolution, torch.nn.Conv2d)
    convolution.stride = (2, 2)
    with pytest.raises(UnsafeModelError, match="2 networks that differ"):
        parse_model(_saved({"model": _network(), "ema": other}))


def test_the_same_network_twice_is_one() -> None:
    record = parse_model(_saved({"state_dict": _network().state_dict(), "model": _network()}))
    _is_the_network(record)
    assert record.modules
    assert "the same network in 'state_dict'" in record.set_aside


@pytest.mark.hostile
def test_two_networks_by_prefix() -> None:
    state = {f"model.{k}": v for k, v in _network().state_dict().items()}
    state |= {f"ema.{k}": v for k, v in _network(1).state_dict().items()}
    with pytest.raises(UnsafeModelError, match=r"2 networks that differ: names (ema|model), names (ema|model)"):
        parse_model(_saved(state))


def test_a_refusal_names_what_is_there() -> None:
    with pytest.raises(CorruptModelError, match="a dict with the keys 'epoch', 'acc' was saved") as caught:
        parse_model(_saved({"epoch": 3, "acc": 0.9}))
    assert "torch.save(model.state_dict(), 'model.pt')" in caught.value.next_step


# Number types.


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_other_precisions_are_converted_exactly_and_told(dtype: torch.dtype, legacy: bool) -> None:
    network = _network().to(dtype)
    record = parse_model(_saved(network, legacy=legacy))
    _is_the_network(record, network.float())
    assert [note.partition(" from ")[2] for note in record.notes] == [f"{str(dtype)[6:]} to float32"]


def test_doubles_that_single_precision_does_not_hold_are_told() -> None:
    weight = torch.tensor([0.5, 0.1, 1e300, float("inf"), float("nan")], dtype=torch.float64)
    record = parse_model(_saved({"weight": weight}))
    assert np.array_equal(
        record.tensors["weight"], np.array([0.5, 0.1, np.inf, np.inf, np.nan], np.float32), equal_nan=True
    )
    assert any(note.startswith("2 numbers of float64 were rounded") for note in record.notes)
    assert any(note.startswith("1 numbers of float64 are beyond float32") for note in record.notes)


# Safetensors.


def _safetensors(header: object, numbers: bytes) -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + numbers


def _entry(begin: int, end: int, dtype: str = "F32", shape: tuple[int, ...] | None = None) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape or ((end - begin) // 4,), "data_offsets": [begin, end]}


def test_safetensors() -> None:
    header = {"__metadata__": {"format": "pt"}, "b.weight": _entry(24, 48, shape=(2, 3)), "a.weight": _entry(0, 24)}
    record = parse_model(_safetensors(header, NUMBERS.tobytes()))
    assert np.array_equal(record.tensors["a.weight"], NUMBERS[:6])
    assert np.array_equal(record.tensors["b.weight"], NUMBERS[6:].reshape(2, 3))
    assert record.format == "safetensors"


_TWIN = (
    b'{"a":{"dtype":"F32","shape":[6],"data_offsets":[0,24]},"a":{"dtype":"F32","shape":[6],"data_offsets":[24,48]}}'
)
LIES = {
    "gap": {"a": _entry(4, 48)},
    "overlap": {"a": _entry(0, 28), "b": _entry(24, 48)},
    "same place": {"a": _entry(0, 48), "b": _entry(0, 48)},
    "short": {"a": _entry(0, 44)},
    "beyond the end": {"a": _entry(0, 52)},
    "shape": {"a": _entry(0, 48, shape=(13,))},
    "negative shape": {"a": _entry(0, 48, shape=(-12, -1))},
    "huge shape": {"a": _entry(0, 48, shape=(2**62, 2**62))},
    "many dimensions": {"a": _entry(0, 48, shape=(1,) * 100_000)},
    "type": {"a": _entry(0, 48, dtype="F4")},
    "backwards": {"a": _entry(48, 0)},
    "bool offsets": {"a": _entry(0, 48) | {"data_offsets": [False, 48]}},
    "another key": {"a": _entry(0, 48) | {"more": 1}},
    "no entry": {"a": [1]},
    "metadata": {"__metadata__": {"a": 1}, "a": _entry(0, 48)},
    "twins": _TWIN,
    "deep": b"{" + b'"a":{' * 100_000,
    "long number": b'{"a":' + b"9" * 5000 + b"}",
    "not utf-8": b'{"\xff": 1}',
    "not json": b"{]",
}


@pytest.mark.hostile
@pytest.mark.parametrize("header", LIES.values(), ids=LIES)
def test_safetensors_that_lie(header: object) -> None:
    with pytest.raises(CorruptModelError, match="a safetensors file with"):
        parse_model(_safetensors(header, NUMBERS.tobytes()))


@pytest.mark.hostile
def test_safetensors_with_an_endless_header() -> None:
    content = struct.pack("<Q", 2**63) + b'{"a":1}'
    with pytest.raises(ModelRefusedError, match="too many bytes"):
        parse_model(content)
    with pytest.raises(UnsafeModelError, match="too many bytes"):
        parse_model(_safetensors({"a": _entry(0, 48)}, NUMBERS.tobytes()), ModelFileLimits(header_bytes=8))
