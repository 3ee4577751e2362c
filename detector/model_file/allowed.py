"""Every global that a model file may name, what it is for, and why naming it is harmless.

Data, in the manner of an allow-list: what is not here is refused by name. Nothing here is ever imported; a name only
decides which inert record stands for it. Two rules beside the table let classes of torch.nn.modules, torchvision and
timm through as inert module classes, so that a network outside the known architectures can be described, not just
refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from detector.model_file.refusals import unsafe


class Role(StrEnum):
    """What a global stands for in a model file."""

    MODULE = "module class"
    MAPPING = "ordered dictionary"
    SET = "set"
    SIZE = "tuple of sizes"
    DEVICE = "device name"
    PARTIAL = "class with preset options"
    BACKEND = "function table of torch < 1.3"
    TENSOR = "tensor over a storage"
    PARAMETER = "trainable tensor"
    STORAGE = "block of raw numbers"


@dataclass(frozen=True, slots=True)
class GlobalName:
    """A global as the file names it, and the role that the name has here."""

    module: str
    name: str
    role: Role

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


_FUNCTIONS: dict[tuple[str, str], tuple[Role, str]] = {
    ("collections", "OrderedDict"): (Role.MAPPING, "holds parameters, buffers, children, hooks; becomes a dict"),
    ("builtins", "set"): (Role.SET, "names of non-persistent buffers; becomes a set of strings"),
    ("__builtin__", "set"): (Role.SET, "the same as written by pickle protocol 2"),
    ("torch", "Size"): (Role.SIZE, "a shape kept as an attribute; becomes a tuple"),
    ("torch", "device"): (Role.DEVICE, "where a DataParallel module lived; becomes its text"),
    ("functools", "partial"): (Role.PARTIAL, "a normalisation class with options (transformers); never called"),
    ("torch.nn.backends.thnn", "_get_thnn_function_backend"): (Role.BACKEND, "the `_backend` of torch 1.2; dropped"),
    ("torch._utils", "_rebuild_tensor_v2"): (Role.TENSOR, "a view of a storage, checked against it"),
    ("torch._utils", "_rebuild_parameter"): (Role.PARAMETER, "wraps a tensor; becomes the tensor"),
    ("torch._utils", "_rebuild_parameter_with_state"): (Role.PARAMETER, "the same; accepted without extra state"),
}

# Storages that torch can save, with the numpy type of those that a TrojAI network consists of (None: refused by use).
STORAGES: dict[str, str | None] = {
    "FloatStorage": "<f4",  # weights and statistics
    "LongStorage": "<i8",  # num_batches_tracked
    **dict.fromkeys(("DoubleStorage", "HalfStorage", "BFloat16Storage", "ComplexFloatStorage"), None),
    **dict.fromkeys(("ComplexDoubleStorage", "BoolStorage", "IntStorage", "ShortStorage"), None),
    **dict.fromkeys(("CharStorage", "ByteStorage", "QInt8Storage", "QUInt8Storage", "QInt32Storage"), None),
    **dict.fromkeys(("QUInt4x2Storage", "QUInt2x4Storage", "UntypedStorage"), None),
}

# Classes only: a leading capital keeps out the functions and imported modules that live beside them.
_MODULE_CLASS = re.compile(r"_{0,2}[A-Z][A-Za-z0-9_]{0,99}", re.ASCII)
_MODULE_HOMES = re.compile(
    r"(torch\.nn\.modules|torchvision\.models|torchvision\.ops|timm\.models|timm\.layers)(\.[a-z_][a-z0-9_]{0,99}){1,4}"
)
_DATA_PARALLEL = ("torch.nn.parallel.data_parallel", "DataParallel")


def resolve(module: str, name: str, where: object) -> GlobalName:
    """The inert record for the global `module.name`.

    Raises
    ------
    UnsafeModelError
        If the name is not allowed, naming it.
    """
    if (known := _FUNCTIONS.get((module, name))) is not None:
        return GlobalName(module, name, known[0])
    if module == "torch" and name in STORAGES:
        return GlobalName(module, name, Role.STORAGE)
    if _is_module_class(module, name):
        return GlobalName(module, name, Role.MODULE)
    raise unsafe(f"the file names {module}.{name}", where, "only globals of torch.nn and torchvision networks")


def _is_module_class(module: str, name: str) -> bool:
    if (module, name) == _DATA_PARALLEL:
        return True
    return _MODULE_HOMES.fullmatch(module) is not None and _MODULE_CLASS.fullmatch(name) is not None


def is_data_parallel(name: GlobalName) -> bool:
    """Whether the class is the wrapper that trains one network on several devices."""
    return (name.module, name.name) == _DATA_PARALLEL
