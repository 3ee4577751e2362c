"""Turns tensor records into read-only numpy views, after proving that each lies inside its storage and on no other.

What torch would do with a wrong offset, stride or length is read or write foreign memory (CVE-2026-24747); so nothing
that the file declares is believed before it is compared with the bytes that exist.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.base.limits import ModelFileLimits
from detector.model_file.allowed import Role
from detector.model_file.pickle_values import Call, describe
from detector.model_file.refusals import SAVE_FLOAT, over_limit, unsafe
from detector.model_file.storages import StorageRef

MOST_DIMENSIONS = 8


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where a tensor lies: its storage, and first number, sizes and strides in numbers of that storage."""

    storage: StorageRef
    offset: int
    sizes: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def end(self) -> int:
        """One past the last number that the tensor touches."""
        return self.offset + sum((n - 1) * stride for n, stride in zip(self.sizes, self.strides, strict=True)) + 1


@dataclass(frozen=True, slots=True)
class SavedNumbers:
    """A tensor as it lies in the file: the name of its number type, and a view of the file's bytes."""

    type: str
    view: NDArray[Any]


@dataclass
class TensorReader:
    """Collects the tensors of one model, by name and in order, with the place that each takes in its storage."""

    storages: Mapping[str, memoryview]
    limits: ModelFileLimits
    tensors: dict[str, NDArray[Any]] = field(default_factory=dict)
    saved: dict[str, SavedNumbers] = field(default_factory=dict)  # the same, as they are in the file
    devices: set[str] = field(default_factory=set)
    converted: Counter[str] = field(default_factory=Counter)  # tensors by the type that they were saved in
    saved_bytes: int = 0  # of all tensors, as they are in the file
    inexact: int = 0  # numbers of double precision that single precision rounds
    overflowed: int = 0  # and those beyond its range: they become infinite
    _taken: dict[str, list[tuple[int, int, str]]] = field(default_factory=dict)

    def add(self, name: str, record: object) -> None:
        """Read the tensor `record` (a call of one of torch's rebuilding functions) as `name`.

        Raises
        ------
        UnsafeModelError
            If it is no plain dense tensor, or reaches out of its storage or into itself.
        """
        if len(self.tensors) >= self.limits.tensors:
            raise over_limit("tensors", name, self.limits.tensors)
        if name in self.tensors:
            raise unsafe("two tensors of this name", name, "different names")
        layout = _layout(_unwrapped(record, name), name)
        _check_layout(layout, name)
        self.devices.add(layout.storage.location)
        self._taken.setdefault(layout.storage.key, []).append((layout.offset, layout.end, name))
        view = _view(layout, self.storages[layout.storage.key])
        self.saved_bytes += view.nbytes
        self.tensors[name] = self._numbers(view, layout.storage, name)
        self.saved[name] = SavedNumbers(layout.storage.type.name, view)

    def _numbers(self, view: NDArray[Any], storage: StorageRef, name: str) -> NDArray[Any]:
        """The view itself, or its numbers as float32: half precision exactly, double rounded and counted."""
        numbers = as_used(storage.type.name, view)
        if numbers is None:
            found, wanted = f"numbers of type {storage.cls}", "float32 weights and int64 counters"
            raise unsafe(found, name, wanted, SAVE_FLOAT)
        if numbers is not view:
            self.converted[storage.type.name] += 1
        if storage.type.name == "float64":
            self._count_narrowed(view, numbers)
        return numbers

    def _count_narrowed(self, view: NDArray[np.float64], narrow: NDArray[np.float32]) -> None:
        for target, source in _rows(narrow, view):
            self.inexact += int(np.count_nonzero((target != source) & ~np.isnan(source)))
            self.overflowed += int(np.count_nonzero(np.isinf(target) & np.isfinite(source)))

    @property
    def storages_read(self) -> set[str]:
        """Keys of the storages that hold these tensors."""
        return set(self._taken)

    def check_overlaps(self) -> None:
        """Raise `UnsafeModelError` if two tensors share numbers: pruning one would silently change the other."""
        for places in self._taken.values():
            for (_, end, first), (start, _, second) in pairwise(sorted(places)):
                if start < end:
                    raise unsafe(f"shares its numbers with {first}", second, "tensors of their own")


def as_used(type_name: str, view: NDArray[Any]) -> NDArray[Any] | None:
    """The numbers as the engine takes them: the view itself, or a read-only copy as float32; None for other types."""
    match type_name:
        case "float32" | "int64":
            return view
        case "float16":
            numbers = view.astype(np.float32)
        case "bfloat16":
            numbers = np.asarray(view.astype(np.uint32) << 16).view(np.float32)
        case "float64":
            numbers = np.empty(view.shape, np.float32)
            for target, source in _rows(numbers, view):
                with np.errstate(over="ignore"):
                    target[...] = source
        case _:
            return None
    numbers.flags.writeable = False
    return numbers


def _rows(narrow: NDArray[np.float32], view: NDArray[np.float64]) -> Iterable[tuple[NDArray[Any], NDArray[Any]]]:
    """Both, one row at a time where there are some: bounds what is in memory beside them."""
    rows = zip(np.atleast_1d(narrow), np.atleast_1d(view), strict=True)
    return rows if view.ndim > 1 else ((narrow, view),)


def conversion_notes(reader: TensorReader) -> list[str]:
    """What became of numbers that were not float32, for people."""
    how = {"float16": "widened exactly", "bfloat16": "widened exactly", "float64": "narrowed"}
    notes = [f"{count} tensors {how[name]} from {name} to float32" for name, count in reader.converted.items()]
    if reader.inexact:
        notes.append(f"{reader.inexact} numbers of float64 were rounded, float32 does not hold them exactly")
    if reader.overflowed:
        notes.append(f"{reader.overflowed} numbers of float64 are beyond float32 and became infinite")
    return notes


def is_tensor(record: object) -> bool:
    """Whether the record stands for a tensor or a parameter."""
    return type(record) is Call and record.function.role in (Role.TENSOR, Role.PARAMETER)


def _unwrapped(record: object, name: str) -> Call:
    """The tensor inside a parameter, or the record itself if it is a tensor."""
    match record:
        case Call(arguments=(Call() as tensor, bool(), dict() as hooks, *state)) if (
            record.function.role is Role.PARAMETER
        ):
            if hooks or any(state):
                raise unsafe("a parameter with hooks or extra state", name, "a plain parameter")
            record = tensor
    if type(record) is not Call or record.function.role is not Role.TENSOR:
        raise unsafe(f"{describe(record)} in the place of a tensor", name, "a dense tensor")
    return record


def _layout(record: Call, name: str) -> _Layout:
    match record.arguments:
        case (StorageRef() as storage, int() as offset, tuple() as sizes, tuple() as strides) if (
            record.function.name == "_rebuild_tensor"
        ):
            if all(type(number) is int for number in (offset, *sizes, *strides)):
                return _Layout(storage, offset, sizes, strides)
        case (StorageRef() as storage, int() as offset, tuple() as sizes, tuple() as strides, bool(), dict() as hooks):
            if not hooks and all(type(number) is int for number in (offset, *sizes, *strides)):
                return _Layout(storage, offset, sizes, strides)
    raise unsafe("a tensor with hooks, metadata or malformed arguments", name, "a dense tensor")


def _check_layout(layout: _Layout, name: str) -> None:
    sizes, strides, length = layout.sizes, layout.strides, layout.storage.numel
    if len(sizes) != len(strides) or len(sizes) > MOST_DIMENSIONS:
        raise unsafe(f"{len(sizes)} sizes and {len(strides)} strides", name, f"at most {MOST_DIMENSIONS} of each")
    # With both bounds the product is small too: no number of the tensor is stored twice.
    if any(not 1 <= size <= length for size in sizes) or math.prod(sizes) > length:
        raise unsafe(f"shape {sizes} over a storage of {length} numbers", name, "a shape that the storage can fill")
    if layout.offset < 0 or any(not 0 <= stride <= length for stride in strides) or layout.end > length:
        raise unsafe(f"offset {layout.offset} and strides {strides} leave the storage", name, f"{length} numbers")
    span = 1
    for stride, size in sorted((stride, size) for stride, size in zip(strides, sizes, strict=True) if size > 1):
        if stride < span:
            raise unsafe(f"strides {strides} make numbers overlap", name, "every number stored once")
        span = stride * (size - 1) + span


def _view(layout: _Layout, data: memoryview) -> NDArray[Any]:
    size = layout.storage.type.bytes
    strides = tuple(stride * size for stride in layout.strides)
    return np.ndarray(layout.sizes, layout.storage.type.layout, data, layout.offset * size, strides)
