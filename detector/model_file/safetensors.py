"""The safetensors format: a length, a JSON header with the place of every tensor, and their numbers, end to end.

It holds names and numbers only, so that nothing in it could run; what a hostile file can do is lie about places. The
header is read strictly: every byte of the numbers belongs to exactly one tensor. The value that results is a state
dict, as a pickle's.
"""

from __future__ import annotations

import json
import math
from itertools import accumulate
from typing import Any

from detector.base.errors import CorruptModelError
from detector.base.limits import ModelFileLimits
from detector.base.text import brief
from detector.model_file.allowed import STORAGES, GlobalName, Role
from detector.model_file.pickle_values import Call
from detector.model_file.refusals import corrupt, over_limit
from detector.model_file.storages import Contents, StorageRef

LENGTH_BYTES = 8
_REBUILD = GlobalName("torch._utils", "_rebuild_tensor", Role.TENSOR)
_STORAGES = {
    **{"F32": "Float", "F64": "Double", "F16": "Half", "BF16": "BFloat16", "I64": "Long", "I32": "Int", "I16": "Short"},
    **{"I8": "Char", "U8": "Byte", "BOOL": "Bool", "C64": "ComplexFloat"},
}
_METADATA = "__metadata__"
_NO_PICKLE = 0  # the protocol of a file without one


def read_safetensors(data: memoryview, limits: ModelFileLimits) -> Contents:
    """The contents of a safetensors file.

    Raises
    ------
    CorruptModelError
        If the header is malformed, or its tensors leave gaps, overlap or do not fill the file.
    UnsafeModelError
        If the header is larger than any network's.
    """
    length = int.from_bytes(data[:LENGTH_BYTES], "little")
    start = LENGTH_BYTES + length
    if length > limits.header_bytes:
        raise over_limit(f"bytes ({length}) in the header of a safetensors file", "header", limits.header_bytes)
    if start > len(data):
        raise _malformed("a truncated header")
    header = _header(bytes(data[LENGTH_BYTES:start]))
    references = {name: _reference(name, entry, str(index)) for index, (name, entry) in enumerate(header.items())}
    _check_places(header, len(data) - start)
    places = {name: [start + offset for offset in header[name]["data_offsets"]] for name in header}
    storages = {references[name].key: data[begin:end] for name, (begin, end) in places.items()}
    value = {name: _tensor(references[name], tuple(header[name]["shape"])) for name in header}
    return Contents(value, _NO_PICKLE, length, storages)


def _header(raw: bytes) -> dict[str, dict[str, Any]]:
    try:
        header = json.loads(raw.decode("utf-8"), object_pairs_hook=_without_twins)
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits and twin keys are ValueErrors
        raise _malformed(f"a header that is no JSON ({type(error).__name__})") from error
    if type(header) is not dict:
        raise _malformed("a header that is no JSON object")
    metadata = header.pop(_METADATA, {})
    if type(metadata) is not dict or any(type(text) is not str for text in metadata.values()):
        raise _malformed("metadata other than texts")
    found: dict[str, dict[str, Any]] = header
    return found


def _without_twins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    items = dict(pairs)
    if len(items) != len(pairs):
        raise ValueError("a key stands twice")
    return items


def _reference(name: str, entry: Any, key: str) -> StorageRef:
    match entry:
        case {"dtype": str() as dtype, "shape": list() as shape, "data_offsets": [int() as begin, int() as end]}:
            numbers = (*shape, begin, end)
            fits = len(entry) == 3 and dtype in _STORAGES and all(type(n) is int and n >= 0 for n in numbers)
            if fits:
                reference = StorageRef(cls := f"{_STORAGES[dtype]}Storage", STORAGES[cls], key, "cpu", _count(shape))
                if reference.bytes == end - begin:
                    return reference
    raise _malformed(f"entry {brief(name)}, whose type, shape and place do not fit each other")


def _count(shape: list[int]) -> int:
    return math.prod(shape) if len(shape) <= 8 and all(size < 1 << 40 for size in shape) else -1


def _check_places(header: dict[str, dict[str, Any]], available: int) -> None:
    places = sorted((*header[name]["data_offsets"],) for name in header)
    expected = 0
    for begin, end in places:
        if begin != expected:
            raise _malformed(f"a gap or an overlap at byte {min(begin, expected)} of the numbers")
        expected = end
    if expected != available:
        raise _malformed(f"{available} bytes of numbers where the header describes {expected}")


def _tensor(storage: StorageRef, shape: tuple[int, ...]) -> Call:
    strides = tuple(accumulate(reversed(shape[1:]), lambda product, size: product * size, initial=1))
    return Call(_REBUILD, (storage, 0, shape, tuple(reversed(strides)) if shape else ()))


def _malformed(what: str) -> CorruptModelError:
    return corrupt(f"a safetensors file with {what}", "header", "a file written by safetensors")
