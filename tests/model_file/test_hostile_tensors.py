"""Tensors that lie about their memory, and files that ask for too much of it.

The numbers are those of the project's catalogue of hostile inputs.
"""

from __future__ import annotations

import struct
import subprocess
import sys
import time
from collections.abc import Callable
from operator import methodcaller
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from detector.base.errors import CorruptModelError, ModelRefusedError, UnsafeModelError
from detector.model_file import parse_model

pytestmark = pytest.mark.hostile

NUMBERS = np.arange(12, dtype=np.float32)
formats = pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])


def _refused(content: bytes, error: type[ModelRefusedError] = ModelRefusedError) -> str:
    start = time.process_time()
    with pytest.raises(error) as caught:
        parse_model(content)
    assert time.process_time() - start < 5
    return str(caught.value)


def _state_dict(forge: SimpleNamespace, make: Callable[[Any], object], legacy: bool = False, **options: Any) -> bytes:
    made: bytes = forge.container(lambda storages: {"weight": make(storages)}, legacy=legacy, **options)
    return made


@formats
@pytest.mark.parametrize("numel", [11, 13, 0, -1, 2**40, 2**63, 2**100])
def test_31_length_that_is_not_there(forge: SimpleNamespace, numel: int, legacy: bool) -> None:
    """CVE-2026-24747: torch believed the declared length."""
    content = _state_dict(forge, lambda s: s.tensor(NUMBERS, numel=numel, sizes=(1,), strides=(1,)), legacy)
    _refused(content, CorruptModelError)


def test_31_storage_declared_in_two_ways(forge: SimpleNamespace) -> None:
    def value(storages: Any) -> Any:
        first = storages.tensor(NUMBERS, key="0", sizes=(2,), strides=(1,))
        return {"a": first, "b": storages.tensor(NUMBERS, key="0", numel=6, offset=4, sizes=(2,), strides=(1,))}

    assert "declared in two ways" in _refused(forge.container(value), UnsafeModelError)


LAYOUTS = {
    "offset-outside": {"offset": 12, "sizes": (1,), "strides": (1,)},
    "offset-negative": {"offset": -1, "sizes": (1,), "strides": (1,)},
    "offset-2**63": {"offset": 2**63, "sizes": (1,), "strides": (1,)},
    "stride-outside": {"sizes": (4,), "strides": (4,)},
    "stride-negative": {"offset": 11, "sizes": (12,), "strides": (-1,)},
    "stride-0": {"sizes": (12,), "strides": (0,)},
    "stride-0-of-10**12": {"sizes": (10**12,), "strides": (0,)},
    "stride-huge-in-a-dimension-of-1": {"sizes": (1, 2), "strides": (2**62, 1)},
    "overlapping-rows": {"sizes": (3, 3), "strides": (2, 1)},
    "same-stride-twice": {"sizes": (2, 2), "strides": (1, 1)},
    "size-negative": {"sizes": (-1,), "strides": (1,)},
    "size-0": {"sizes": (0,), "strides": (1,)},
    "size-product-overflows": {"sizes": (2**32, 2**32), "strides": (1, 1)},
    "more-sizes-than-strides": {"sizes": (2, 2), "strides": (1,)},
    "nine-dimensions": {"sizes": (1,) * 9, "strides": (1,) * 9},
    "size-is-text": {"sizes": ("12",), "strides": (1,)},
    "size-is-bool": {"sizes": (True,), "strides": (1,)},
    "size-is-float": {"sizes": (12.0,), "strides": (1,)},
    "sizes-are-a-list": {"sizes": [12], "strides": (1,)},
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_32_layout(forge: SimpleNamespace, layout: dict[str, Any]) -> None:
    content = _state_dict(forge, lambda s: s.tensor(NUMBERS, **layout))
    assert "weight" in _refused(content, UnsafeModelError)


def test_33_aliasing(forge: SimpleNamespace) -> None:
    def value(storages: Any) -> Any:
        storage = storages.storage(NUMBERS)
        first = storages.tensor(NUMBERS, storage=storage, sizes=(7,), strides=(1,))
        return {"a": first, "b": storages.tensor(NUMBERS, storage=storage, offset=6, sizes=(6,), strides=(1,))}

    assert "b: shares its numbers with a" in _refused(forge.container(value), UnsafeModelError)


_ITEM_BYTES = {"ComplexFloat": 8, "ComplexDouble": 16, "Bool": 1, "Int": 4, "Short": 2, "Byte": 1, "Char": 1}
_ITEM_BYTES |= {"QInt8": 1, "QUInt8": 1, "QInt32": 4, "QUInt4x2": 1, "QUInt2x4": 1, "Untyped": 1}


@formats
@pytest.mark.parametrize("cls", _ITEM_BYTES)
def test_34_number_types(forge: SimpleNamespace, cls: str, legacy: bool) -> None:
    numbers = np.zeros(12, f"V{_ITEM_BYTES[cls]}")
    content = _state_dict(forge, lambda s: s.tensor(numbers, cls=f"{cls}Storage"), legacy)
    assert f"numbers of type {cls}Storage" in _refused(content, UnsafeModelError)


@pytest.mark.parametrize("cls", ["Double", "Half", "BFloat16", *_ITEM_BYTES])
def test_34_number_types_of_another_length_than_the_bytes(forge: SimpleNamespace, cls: str) -> None:
    """CVE-2026-24747 once more: the type decides how many bytes a number has."""
    numbers = np.zeros(12, "V3")
    _refused(_state_dict(forge, lambda s: s.tensor(numbers, cls=f"{cls}Storage")), CorruptModelError)


REBUILDERS = ["sparse_tensor", "meta_tensor_no_storage", "qtensor", "wrapper_subclass", "from_type_v2", "nested_tensor"]


@pytest.mark.parametrize("name", [*(f"_rebuild_{kind}" for kind in REBUILDERS), "_rebuild_device_tensor_from_numpy"])
def test_34_other_tensors(forge: SimpleNamespace, name: str) -> None:
    content = forge.container({"weight": forge.Reduce(forge.Global("torch._utils", name), ())})
    assert name in _refused(content, UnsafeModelError)


@pytest.mark.parametrize("location", ["cuda", "cuda:3", "mps"])
def test_34_gpu_location_is_a_note(forge: SimpleNamespace, location: str) -> None:
    record = parse_model(_state_dict(forge, lambda s: s.tensor(NUMBERS), location=location))
    assert record.notes == (f"saved from {location}",)
    assert np.array_equal(record.tensors["weight"], NUMBERS)


@pytest.mark.parametrize("location", ["meta", "xla:0", "", "cuda:0\n", "file:///etc/passwd"])
def test_34_other_locations(forge: SimpleNamespace, location: str) -> None:
    assert "on device" in _refused(_state_dict(forge, lambda s: s.tensor(NUMBERS), location=location), UnsafeModelError)


def test_34_tensor_hooks(forge: SimpleNamespace) -> None:
    hooks = {0: forge.Global("torch.nn.modules.linear", "Identity")}
    assert "hooks" in _refused(_state_dict(forge, lambda s: s.tensor(NUMBERS, hooks=hooks)), UnsafeModelError)


def test_34_parameter_with_state(forge: SimpleNamespace) -> None:
    def value(state: dict[str, object]) -> Any:
        def make(storages: Any) -> Any:
            arguments = (storages.tensor(NUMBERS), True, forge.ordered(), state)
            return forge.Reduce(forge.Global("torch._utils", "_rebuild_parameter_with_state"), arguments)

        return make

    assert parse_model(_state_dict(forge, value({}))).tensors
    assert "extra state" in _refused(_state_dict(forge, value({"__class__": 1})), UnsafeModelError)


def test_storage_keys_cannot_be_paths(forge: SimpleNamespace) -> None:
    for key in ("../data.pkl", "a/b", "", "x" * 33):
        content = _state_dict(forge, methodcaller("tensor", NUMBERS, key=key), legacy=True)
        assert "storage key" in _refused(content, UnsafeModelError)


def test_37_odd_numbers_survive_unchanged(forge: SimpleNamespace) -> None:
    """Whether weights make sense is quality assurance's question; the loader neither hides nor changes them."""
    odd = np.array([np.nan, np.inf, -np.inf, 1e-45, 1e38, -0.0], np.float32)
    record = parse_model(_state_dict(forge, lambda s: s.tensor(odd)))
    assert record.tensors["weight"].tobytes() == odd.tobytes()


# 36: resources.


FLOODS = {
    "bytearray": (b"\x80\x04\x96" + struct.pack("<Q", 10**12) + b".", "BYTEARRAY8"),
    "bytearray-call": (
        b"\x80\x02cbuiltins\nbytearray\n\x8a\x06" + (10**12).to_bytes(6, "little") + b"\x85R.",
        "bytearray",
    ),
    "integer-of-2-GB": (b"\x80\x02\x8b\xff\xff\xff\x7f1.", "LONG4"),
    "integer-of-200-bytes": (b"\x80\x02\x8a\xc8" + b"\1" * 200 + b".", "bytes in one integer"),
    "text-integer": (b"\x80\x02L" + b"9" * 1_000_000 + b"L\n.", "LONG"),
    "string-of-4-GB": (b"\x80\x02X\xff\xff\xff\xff1.", "bytes in one string"),
    "string-of-2**63": (b"\x80\x04\x8d" + struct.pack("<Q", 2**63) + b"1.", "BINUNICODE8"),
    "memo-index-2**32-1": (b"\x80\x02Nr\xff\xff\xff\xffj\xfe\xff\xff\xff.", "before it is set"),
    "nested-tuples": (b"\x80\x02)" + b"\x85" * 200_000 + b".", "was saved"),
    "nested-lists": (b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".", "objects on the pickle stack"),
    "marks": (b"\x80\x02" + b"(" * 200_000 + b".", "marks on the pickle stack"),
    "opcodes": (b"\x80\x02)" + b"\x85" * 10**7 + b".", "pickle opcodes"),
    "memo": (b"\x80\x04N" + b"\x94" * 300_000 + b".", "objects in the pickle memo"),
    "large-pickle": (
        b"\x80\x04" + (b"]X" + struct.pack("<I", 10**6) + b"x" * 10**6 + b"a") * 20 + b".",
        "bytes in one pickle",
    ),
    "set-copies": (
        b"\x80\x04](" + b"\x8c\1a" * 1000 + b"eq\0](" + b"cbuiltins\nset\nh\0\x85R" * 30_000 + b"e.",
        "pickle opcodes",
    ),
}


@pytest.mark.parametrize(("program", "named"), FLOODS.values(), ids=FLOODS)
def test_36_floods(forge: SimpleNamespace, program: bytes, named: str) -> None:
    assert named in _refused(forge.zip_file(program))


_MEASURE = """
import resource, sys
from pathlib import Path
from detector.base.errors import ModelRefusedError
from detector.model_file import read_model

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10

before = peak()
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        read_model(path)
    except ModelRefusedError:
        continue
    raise SystemExit(f"{path} was read")
print(peak() - before)
"""


def test_36_memory_stays_bounded(forge: SimpleNamespace, tmp_path: Path) -> None:
    """The peak over all floods in a fresh process: the largest file (10 MB) and a constant."""
    for number, (program, _) in enumerate(FLOODS.values()):
        (tmp_path / f"{number:02}.pt").write_bytes(forge.zip_file(program))
    command = [sys.executable, "-c", _MEASURE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert int(done.stdout) < 200  # MB


def _with_attribute(forge: SimpleNamespace, opcodes: bytes) -> bytes:
    """A network whose attribute `x` is what the opcodes leave on the stack."""
    made: bytes = forge.container(lambda storages: forge.network(storages, x=forge.Raw(opcodes)))
    return made


def test_36_billion_laughs(forge: SimpleNamespace) -> None:
    """A pair of the same pair of the same pair ...: 2**30 values from 30 objects."""
    pairs = (b"r" + struct.pack("<I", level) + b"j" + struct.pack("<I", level) + b"\x86" for level in range(30))
    assert "too many attribute values" in _refused(_with_attribute(forge, b"N" + b"".join(pairs)), UnsafeModelError)


def test_36_deep_attribute(forge: SimpleNamespace) -> None:
    assert "nested too deeply" in _refused(_with_attribute(forge, b")" + b"\x85" * 100_000), UnsafeModelError)


def test_36_cyclic_attribute(forge: SimpleNamespace) -> None:
    assert "nested too deeply, or in themselves" in _refused(_with_attribute(forge, b"]q\0h\0a"), UnsafeModelError)


def _module(forge: SimpleNamespace, children: dict[str, object], remembered_as: int) -> Any:
    """A Sequential without tensors, put into the memo before its content is read."""
    new = forge.New(forge.Global("torch.nn.modules.container", "Sequential"))
    known = forge.Raw(forge.encode(new)[2:-1] + b"q" + bytes([remembered_as]))
    return forge.Build(known, {"_parameters": {}, "_buffers": {}, "_modules": children})


def test_36_cyclic_modules(forge: SimpleNamespace) -> None:
    cyclic = _module(forge, {"0": forge.Raw(b"h\0")}, 0)
    assert "nested too deeply, or in themselves" in _refused(forge.container(cyclic), UnsafeModelError)


def test_36_module_laughs(forge: SimpleNamespace) -> None:
    """Each module holds the one before it twice: 2**31 modules from 31 objects."""
    levels = {"level0": _module(forge, {}, 0)}
    for level in range(1, 31):
        below = forge.Raw(b"h" + bytes([level - 1]))
        levels[f"level{level}"] = _module(forge, {"a": below, "b": below}, level)
    content = forge.container(levels | {"model": forge.Raw(b"h" + bytes([30]))})
    assert "too many modules" in _refused(content, UnsafeModelError)


def test_36_many_modules_around_one_large_dictionary(forge: SimpleNamespace) -> None:
    """Work is bounded too: a state of 10 000 attributes shared by thousands of modules."""
    own: dict[str, object] = {"_parameters": {}, "_buffers": {}, "_modules": {}}
    state = dict.fromkeys(f"a{number}" for number in range(10_000)) | own
    shared = forge.Raw(forge.encode(state)[2:-1] + b"q\0")
    new = forge.New(forge.Global("torch.nn.modules.container", "Sequential"))
    children = {"0": forge.Build(new, shared)} | {f"{n}": forge.Build(new, forge.Raw(b"h\0")) for n in range(1, 5_000)}
    assert "too many attribute values" in _refused(forge.container(_module(forge, children, 1)), UnsafeModelError)
