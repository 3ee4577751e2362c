"""A forge for model files: writes any pickle, legacy file or zip archive byte by byte, honest or hostile.

It shares no code with the detector and does not use torch, so that it can write what torch would never write.
"""

from __future__ import annotations

import io
import itertools
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
HOOKS = ("_backward_hooks", "_forward_hooks", "_forward_pre_hooks", "_state_dict_hooks", "_load_state_dict_pre_hooks")


@dataclass
class Global:
    module: str
    name: str


@dataclass
class Reduce:
    function: object
    arguments: object


@dataclass
class New:
    cls: object
    state: object = None
    arguments: object = ()


@dataclass
class Build:
    target: object
    state: object


@dataclass
class PersistentId:
    identifier: object


@dataclass
class Raw:
    """Opcodes as they are."""

    code: bytes


@dataclass
class Encoder:
    """Values to pickle opcodes, without memo and without frames."""

    protocol: int = 2
    parts: list[bytes] = field(default_factory=list)

    def encode(self, value: object) -> None:
        emit = self.parts.append
        match value:
            case Raw(code):
                emit(code)
            case None:
                emit(b"N")
            case bool():
                emit(b"\x88" if value else b"\x89")
            case int() if 0 <= value < 256:
                emit(bytes([ord("K"), value]))
            case int():
                raw = value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)
                emit(b"\x8a" + bytes([len(raw)]) + raw)
            case float():
                emit(b"G" + struct.pack(">d", value))
            case str():
                raw = value.encode("utf-8", "surrogatepass")
                emit(b"X" + struct.pack("<I", len(raw)) + raw)
            case tuple():
                self.sequence(b"(", value, b"t")
            case list():
                self.sequence(b"](", value, b"e")
            case dict():
                self.sequence(b"}(", tuple(itertools.chain(*value.items())), b"u")
            case Global(module, name) if self.protocol < 4:
                emit(b"c" + f"{module}\n{name}\n".encode())
            case Global(module, name):
                self.sequence(b"", (module, name), b"\x93")
            case Reduce(function, arguments):
                self.sequence(b"", (function, arguments), b"R")
            case New(cls, state, arguments):
                self.sequence(b"", (cls, arguments), b"\x81")
                if state is not None:
                    self.sequence(b"", (state,), b"b")
            case Build(target, state):
                self.sequence(b"", (target, state), b"b")
            case PersistentId(identifier):
                self.sequence(b"", (identifier,), b"Q")
            case _:
                raise TypeError(type(value))

    def sequence(self, before: bytes, values: tuple[object, ...] | list[object], after: bytes) -> None:
        self.parts.append(before)
        for value in values:
            self.encode(value)
        self.parts.append(after)


def encode(value: object, protocol: int = 2) -> bytes:
    encoder = Encoder(protocol)
    encoder.encode(value)
    return bytes([0x80, protocol]) + b"".join(encoder.parts) + b"."


def ordered(items: Mapping[str, object] | None = None) -> object:
    """An OrderedDict as pickle protocol 2 writes it."""
    empty = Reduce(Global("collections", "OrderedDict"), ())
    return Raw(b"".join(_body(empty)) + b"".join(_body(items))[1:]) if items else empty


def _body(value: object) -> list[bytes]:
    encoder = Encoder()
    encoder.encode(value)
    return encoder.parts


class Storages:
    """Tensors over storages of their own, as persistent ids, and the bytes behind them."""

    def __init__(self, legacy: bool = False, location: str = "cpu") -> None:
        self.legacy = legacy
        self.location = location
        self.content: dict[str, bytes] = {}
        self.counts: dict[str, int] = {}

    def storage(
        self, array: np.ndarray, *, cls: str | None = None, numel: int | None = None, key: str | None = None
    ) -> PersistentId:
        key = str(len(self.content)) if key is None else key
        self.content[key] = array.tobytes()
        self.counts[key] = array.size
        name = cls or {"float32": "FloatStorage", "int64": "LongStorage"}[str(array.dtype)]
        numel = array.size if numel is None else numel
        identifier = ("storage", Global("torch", name), key, self.location, numel)
        return PersistentId((*identifier, None) if self.legacy else identifier)

    def tensor(
        self,
        array: np.ndarray,
        *,
        offset: int = 0,
        sizes: object = None,
        strides: object = None,
        hooks: object = None,
        storage: PersistentId | None = None,
        **options: Any,
    ) -> Reduce:
        sizes = array.shape if sizes is None else sizes
        strides = tuple(step // array.itemsize for step in array.strides) if strides is None else strides
        storage = storage or self.storage(array, **options)
        arguments = (storage, offset, sizes, strides, False, ordered() if hooks is None else hooks)
        return Reduce(Global("torch._utils", "_rebuild_tensor_v2"), arguments)

    def parameter(self, array: np.ndarray, **options: Any) -> Reduce:
        return Reduce(Global("torch._utils", "_rebuild_parameter"), (self.tensor(array, **options), True, ordered()))


def module(
    cls: tuple[str, str],
    *,
    parameters: Mapping[str, object] | None = None,
    buffers: Mapping[str, object] | None = None,
    children: Mapping[str, object] | None = None,
    state: Mapping[str, object] | None = None,
    **attributes: Any,
) -> New:
    """A module as torch 1.2 to 1.7 pickles it; entries of `state` may have any name and replace torch's own."""
    full = {"training": False, **{name: ordered() for name in HOOKS}}
    full |= {"_parameters": ordered(parameters), "_buffers": ordered(buffers), "_modules": ordered(children)}
    return New(Global(*cls), full | attributes | dict(state or {}))


def zip_file(
    program: bytes, storages: dict[str, bytes] | None = None, *, top: str = "archive", **extra: bytes
) -> bytes:
    """An archive as torch.save writes it; `extra` are further members by name."""
    members = {"data.pkl": program, **{f"data/{key}": raw for key, raw in (storages or {}).items()}, "version": b"3\n"}
    return zip_members({f"{top}/{name}": raw for name, raw in (members | extra).items()}.items())


def zip_members(members: Iterable[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, raw in members:
            archive.writestr(zipfile.ZipInfo(name), raw, compression)
    return buffer.getvalue()


def legacy_file(program: bytes, storages: Storages | None = None, protocol: int = 2) -> bytes:
    """A file as torch.save wrote it before torch 1.6."""
    storages = storages or Storages(legacy=True)
    platform = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    keys = sorted(storages.content)
    head = b"".join(pickle.dumps(part, protocol) for part in (MAGIC_NUMBER, 1001, platform))
    raw = b"".join(struct.pack("<q", storages.counts[key]) + storages.content[key] for key in keys)
    return head + program + pickle.dumps(keys, protocol) + raw


def network(storages: Storages, **attributes: Any) -> New:
    """A convolution and a batch normalisation in a Sequential: the smallest network with every kind of content."""
    weight = np.arange(2 * 3 * 1 * 1, dtype=np.float32).reshape(2, 3, 1, 1)
    ones = np.ones(2, np.float32)
    convolution = module(
        ("torch.nn.modules.conv", "Conv2d"),
        parameters={"weight": storages.parameter(weight), "bias": None},
        in_channels=3,
        out_channels=2,
        kernel_size=(1, 1),
        stride=(1, 1),
        padding_mode="zeros",
    )
    normalisation = module(
        ("torch.nn.modules.batchnorm", "BatchNorm2d"),
        parameters={"weight": storages.parameter(ones), "bias": storages.parameter(0 * ones)},
        buffers={
            "running_mean": storages.tensor(0 * ones),
            "running_var": storages.tensor(ones),
            "num_batches_tracked": storages.tensor(np.array(7, np.int64)),
        },
        eps=1e-5,
    )
    children = {"0": convolution, "1": normalisation}
    return module(("torch.nn.modules.container", "Sequential"), children=children, **attributes)


def container(
    value: Callable[[Storages], object] | object, *, legacy: bool = False, protocol: int = 2, **options: Any
) -> bytes:
    """A whole file around a value, or around what a function makes with the file's storages."""
    storages = Storages(legacy, **options)
    program = encode(value(storages) if callable(value) else value, protocol)
    return legacy_file(program, storages, protocol) if legacy else zip_file(program, storages.content)


@pytest.fixture(scope="session")
def forge() -> SimpleNamespace:
    """Everything above, for tests (which cannot import a conftest)."""
    return SimpleNamespace(**{name: value for name, value in globals().items() if name[0].isalpha()})
