"""Parses a model file in a confined child; what comes back are places of numbers in the file, and plain values.

The child may be in the file's hand. So its answer is read like a file: every field has one type, every number that it
places must lie in the bytes that this process has read, and nothing else is taken. A child that lies can say wrong
things about the file, as the file itself can; it cannot make this process read or write anything else.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.base.background import in_background
from detector.base.errors import CorruptModelError, ModelRefusedError, UnsafeModelError
from detector.base.limits import ModelFileLimits
from detector.base.text import printable
from detector.model_file.allowed import STORAGES, NumberType
from detector.model_file.parsing import Parsed, parse
from detector.model_file.records import ContentKind, FileFormat, ModelRecord, ModuleRecord, PlainValue
from detector.model_file.source import SavedModel, share
from detector.model_file.tensors import MOST_DIMENSIONS, SavedNumbers, as_used
from detector.sandbox.job import Job
from detector.sandbox.message import Channel, Header
from detector.sandbox.sandbox import ChildFailedError, Sandbox

_NAME = "model file"
_REFUSALS = {error.__name__: error for error in (UnsafeModelError, CorruptModelError)}
_TYPES: Mapping[str, NumberType] = {type_.name: type_ for type_ in STORAGES.values()}
_NUMBER = "number"  # the key of a float that JSON does not know


class _NonsenseError(Exception):
    """The child has answered what the parser cannot say."""


# In this process.


def parse_confined(source: Path | SavedModel, limits: ModelFileLimits, sandbox: Sandbox) -> ModelRecord:
    """`parse` of the file in a child; errors as of `read_bytes` and `parse`.

    Raises
    ------
    UnsafeModelError
        Also where the child dies of it.
    """
    shared = share(source, limits)
    try:
        hashing = in_background(lambda: hashlib.sha256(shared.content).hexdigest())
        with sandbox.session(_NAME, asdict(limits), shared) as session:
            header = session.receive().header
            try:
                return _record(header, shared.content, hashing, limits)
            except _NonsenseError as error:
                raise session.nonsense(str(error)) from error
    except ChildFailedError as error:
        expected = "a file that can be read within the limits of the sandbox"
        raise UnsafeModelError(error.what, where="file", expected=expected, next_step=error.next_step) from error
    finally:
        shared.close()


def _record(header: Header, content: memoryview, hashing: Future[str], limits: ModelFileLimits) -> ModelRecord:
    if "refused" in header:
        raise _refusal(header["refused"])
    tensors = _items(header, "tensors", limits.tensors)
    return ModelRecord(
        format=_member(FileFormat, header, "format"),
        kind=_member(ContentKind, header, "kind"),
        tensors=MappingProxyType(dict(_tensor(one, content) for one in tensors)),
        modules=tuple(_module(one, limits) for one in _items(header, "modules", limits.modules)),
        data_parallel=_exactly(bool, header.get("data_parallel")),
        pickle_protocol=_exactly(int, header.get("pickle_protocol")),
        file_bytes=len(content),
        hashing=hashing,
        notes=_texts(header, "notes", limits),
        set_aside=_texts(header, "set_aside", limits),
        extra_bytes=_exactly(int, header.get("extra_bytes")),
        extra_items=_exactly(int, header.get("extra_items")),
        pickle_bytes=_exactly(int, header.get("pickle_bytes")),
    )


def _refusal(told: Any) -> ModelRefusedError:
    parts = [_exactly(str, part) for part in _exactly(list, told)]
    if len(parts) != 5 or parts[0] not in _REFUSALS:
        raise _NonsenseError("a refusal of an unknown kind")
    kind, what, where, expected, next_step = parts
    return _REFUSALS[kind](what, where=where, expected=expected, next_step=next_step)


def _tensor(told: Any, content: memoryview) -> tuple[str, NDArray[Any]]:
    """The name, and the numbers at the place that is told, which must be in the content."""
    if len(_exactly(list, told)) != 5:
        raise _NonsenseError("a tensor without a place")
    name, type_name = _exactly(str, told[0]), _exactly(str, told[1])
    type_ = _TYPES.get(type_name)
    offset, sizes, strides = _exactly(int, told[2]), _whole_numbers(told[3]), _whole_numbers(told[4])
    if type_ is None or len(sizes) != len(strides) or len(sizes) > MOST_DIMENSIONS:
        raise _NonsenseError(f"a tensor of type {printable(type_name)} with {len(sizes)} sizes")
    # Each size is bounded by the product of all, which cannot be more than the content holds.
    numbers = math.prod(sizes)
    end = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True)) + type_.bytes
    if min((offset, *strides, *(size - 1 for size in sizes))) < 0 or max(end, numbers * type_.bytes) > len(content):
        raise _NonsenseError(f"a tensor outside the file: {numbers} numbers, up to byte {end} of {len(content)}")
    used = as_used(type_name, np.ndarray(sizes, type_.layout, content, offset, strides))
    if used is None:
        raise _NonsenseError(f"numbers of type {type_name}")
    return name, used


def _module(told: Any, limits: ModelFileLimits) -> ModuleRecord:
    if len(_exactly(list, told)) != 4:
        raise _NonsenseError("a module without its parts")
    path, module, name = (_exactly(str, part) for part in told[:3])
    attributes = {key: _plain(value, limits.nesting) for key, value in _exactly(dict, told[3]).items()}
    return ModuleRecord(path, module, name, attributes)


def _plain(value: Any, depth: int) -> PlainValue:
    if depth < 0:
        raise _NonsenseError("values nested too deeply")
    match value:
        case None | bool() | int() | float() | str():
            return value
        case list():
            return tuple(_plain(item, depth - 1) for item in value)
        case {"number": "nan" | "inf" | "-inf" as text}:
            return float(text)
    raise _NonsenseError("an attribute that is no plain value")


def _items(header: Header, key: str, most: int) -> list[Any]:
    items: list[Any] = _exactly(list, header.get(key))
    if len(items) > most:
        raise _NonsenseError(f"{len(items)} {key}")
    return items


def _texts(header: Header, key: str, limits: ModelFileLimits) -> tuple[str, ...]:
    return tuple(_exactly(str, text) for text in _items(header, key, limits.values))


def _whole_numbers(told: Any) -> tuple[int, ...]:
    return tuple(_exactly(int, number) for number in _exactly(list, told))


def _exactly(kind: type, value: Any) -> Any:
    """The value, if it is of this very type: True is no integer."""
    if type(value) is not kind:
        raise _NonsenseError(f"{type(value).__name__} in the place of {kind.__name__}")
    return value


def _member(enum: Callable[[str], Any], header: Header, key: str) -> Any:
    try:
        return enum(_exactly(str, header.get(key)))
    except ValueError as error:
        raise _NonsenseError(f"an unknown {key}") from error


# In the child.


def _serve(arguments: Header, content: memoryview, channel: Channel) -> None:
    """Parse the content, and answer with what it says."""
    try:
        parsed = parse(content, ModelFileLimits(**arguments), Future())
    except ModelRefusedError as error:
        told = [type(error).__name__, error.what, error.where, error.expected, error.next_step]
        channel.send({"refused": told})
        return
    channel.send(_header(parsed, content))


def _header(parsed: Parsed, content: memoryview) -> Header:
    record, start = parsed.record, np.frombuffer(content, np.uint8).ctypes.data
    return {
        "format": record.format,
        "kind": record.kind,
        "tensors": [_place(name, saved, start) for name, saved in parsed.saved.items()],
        "modules": [_told(module) for module in record.modules],
        "data_parallel": record.data_parallel,
        "pickle_protocol": record.pickle_protocol,
        "notes": record.notes,
        "set_aside": record.set_aside,
        "extra_bytes": record.extra_bytes,
        "extra_items": record.extra_items,
        "pickle_bytes": record.pickle_bytes,
    }


def _place(name: str, saved: SavedNumbers, start: int) -> list[Any]:
    view = saved.view
    return [name, saved.type, view.ctypes.data - start, view.shape, view.strides]


def _told(module: ModuleRecord) -> list[Any]:
    attributes = {name: _without_odd_floats(value) for name, value in module.attributes.items()}
    return [module.path, module.class_module, module.class_name, attributes]


def _without_odd_floats(value: PlainValue) -> Any:
    if isinstance(value, tuple):
        return [_without_odd_floats(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {_NUMBER: repr(value)}
    return value


def _prepare() -> None:
    """Load what is loaded late: codecs, and the words for errors."""
    printable("\x00\u202e\ud800")
    for codec in _CODECS:
        b"".decode(codec)
    np.empty((1, 1)).astype(np.float16)


_CODECS: Iterable[str] = ("ascii", "latin-1", "utf-8", "unicode_escape", "raw_unicode_escape", "cp437")

JOB = Job(_NAME, _serve, _prepare)
