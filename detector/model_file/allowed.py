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

from detector.model_file.refusals import dangerous, unsafe


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
    DEFAULTS = "dictionary with a default"
    COUNTS = "dictionary of counts"
    QUEUE = "list of bounded length"
    BYTES = "bytes written as text"
    ARRAY = "array of numpy"
    INERT = "plain value"


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
    ("torch._utils", "_rebuild_tensor"): (Role.TENSOR, "a view of a storage, as torch < 0.4 wrote it"),
    ("torch._utils", "_rebuild_tensor_v2"): (Role.TENSOR, "a view of a storage, checked against it"),
    ("torch._utils", "_rebuild_parameter"): (Role.PARAMETER, "wraps a tensor; becomes the tensor"),
    ("torch._utils", "_rebuild_parameter_with_state"): (Role.PARAMETER, "the same; accepted without extra state"),
    # What lies beside the weights in checkpoints. None of it is built: a record keeps the name and the arguments.
    ("collections", "defaultdict"): (Role.DEFAULTS, "an optimiser's state; becomes a dict"),
    ("collections", "Counter"): (Role.COUNTS, "the milestones of a learning-rate schedule; becomes a dict"),
    ("collections", "deque"): (Role.QUEUE, "the last values of a metric; becomes a list"),
    ("_codecs", "encode"): (Role.BYTES, "bytes as pickle protocol 2 writes them, from latin-1 text"),
    ("numpy.core.multiarray", "_reconstruct"): (Role.ARRAY, "an empty array, filled by its state"),
    ("numpy._core.multiarray", "_reconstruct"): (Role.ARRAY, "the same in numpy 2"),
    ("numpy.core.multiarray", "scalar"): (Role.INERT, "a metric"),
    ("numpy._core.multiarray", "scalar"): (Role.INERT, "the same in numpy 2"),
    ("numpy.core.numeric", "_frombuffer"): (Role.INERT, "an array as pickle protocol 5 writes it"),
    ("numpy._core.numeric", "_frombuffer"): (Role.INERT, "the same in numpy 2"),
    ("numpy", "dtype"): (Role.INERT, "the number type of these"),
    ("numpy", "ndarray"): (Role.INERT, "the class that _reconstruct names"),
    ("argparse", "Namespace"): (Role.INERT, "the options of the training script"),
    ("types", "SimpleNamespace"): (Role.INERT, "the same"),
    **{("datetime", name): (Role.INERT, "when") for name in ("datetime", "date", "time", "timedelta", "timezone")},
    **{("pathlib", f"{kind}Path"): (Role.INERT, "where") for kind in ("Posix", "Windows", "PurePosix", "PureWindows")},
    **{("pathlib._local", f"{kind}Path"): (Role.INERT, "where, in Python 3.13") for kind in ("Posix", "Windows")},
    ("decimal", "Decimal"): (Role.INERT, "a number"),
    ("fractions", "Fraction"): (Role.INERT, "a number"),
    ("uuid", "UUID"): (Role.INERT, "the name of a run"),
    ("torch.torch_version", "TorchVersion"): (Role.INERT, "the version that wrote the checkpoint"),
    ("pytorch_lightning.utilities.parsing", "AttributeDict"): (Role.INERT, "Lightning's hyper-parameters"),
    ("lightning.pytorch.utilities.parsing", "AttributeDict"): (Role.INERT, "the same"),
    ("lightning_fabric.utilities.data", "AttributeDict"): (Role.INERT, "the same"),
    ("lightning.fabric.utilities.data", "AttributeDict"): (Role.INERT, "the same"),
    **{
        (module, name): (Role.INERT, "a type of plain values, as a default or an argument's type")
        for module in ("builtins", "__builtin__")
        for name in ("list", "dict", "tuple", "int", "float", "bool", "str", "complex", "frozenset", "slice", "range")
    },
    **{
        ("torch", name): (Role.INERT, "a number type as a setting")
        for name in ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
    },
}


@dataclass(frozen=True, slots=True)
class NumberType:
    """A type of numbers: its usual name, and how numpy reads its bytes (bfloat16: as the upper half of a float32)."""

    name: str
    layout: str
    bytes: int


# Storages that torch can save. Those of other types than a network's may lie beside it, in an optimiser's state.
STORAGES: dict[str, NumberType] = {
    "FloatStorage": NumberType("float32", "<f4", 4),  # weights and statistics
    "LongStorage": NumberType("int64", "<i8", 8),  # num_batches_tracked
    "DoubleStorage": NumberType("float64", "<f8", 8),
    "HalfStorage": NumberType("float16", "<f2", 2),
    "BFloat16Storage": NumberType("bfloat16", "<u2", 2),
    "ComplexFloatStorage": NumberType("complex64", "<c8", 8),
    "ComplexDoubleStorage": NumberType("complex128", "<c16", 16),
    "IntStorage": NumberType("int32", "<i4", 4),
    "ShortStorage": NumberType("int16", "<i2", 2),
    "QInt32Storage": NumberType("qint32", "<i4", 4),
    **{f"{name}Storage": NumberType(name.lower(), "|u1", 1) for name in ("Bool", "Char", "Byte", "QInt8", "QUInt8")},
    **{f"{name}Storage": NumberType(name.lower(), "|u1", 1) for name in ("QUInt4x2", "QUInt2x4", "Untyped")},
}

# Classes only: a leading capital keeps out the functions and imported modules that live beside them.
_MODULE_CLASS = re.compile(r"_{0,2}[A-Z][A-Za-z0-9_]{0,99}", re.ASCII)
_MODULE_HOMES = re.compile(
    r"(torch\.nn\.modules|torchvision\.models|torchvision\.ops|timm\.models|timm\.layers)(\.[a-z_][a-z0-9_]{0,99}){1,4}"
)
_WRAPPERS = {  # modules that hold one network and answer as it does, and the name under which they hold it
    ("torch.nn.parallel.data_parallel", "DataParallel"): "module",
    ("torch.nn.parallel.distributed", "DistributedDataParallel"): "module",
    ("torch.optim.swa_utils", "AveragedModel"): "module",
    ("torch._dynamo.eval_frame", "OptimizedModule"): "_orig_mod",
}
_COMPILER = ("torch._dynamo.eval_frame", "OptimizeContext")  # beside an OptimizedModule, and getattr inside it


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
    if (module, name) == _COMPILER:
        step = "save the network without it: torch.save(model._orig_mod.state_dict(), 'model.pt')"
        raise unsafe("a network saved together with its compiler (torch.compile)", where, "the network alone", step)
    raise dangerous(f"the file names {module}.{name}", where, "only globals of torch.nn and torchvision networks")


def _is_module_class(module: str, name: str) -> bool:
    if (module, name) in _WRAPPERS:
        return True
    return _MODULE_HOMES.fullmatch(module) is not None and _MODULE_CLASS.fullmatch(name) is not None


def wrapped_child(name: GlobalName) -> str | None:
    """For a class that only wraps a network: the name of the child that holds it; None for every other class."""
    return _WRAPPERS.get((name.module, name.name))
