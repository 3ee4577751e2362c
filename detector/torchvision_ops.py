"""Makes torchvision's Python model code importable where its compiled operators cannot load.

torchvision's wheels from the ordinary index need CUDA libraries even for the CPU; without them the import fails on
`operator torchvision::nms does not exist`. We use no operator of torchvision, only its model definitions, so it is
enough that the two names exist. They are defined only where they are missing, and never get an implementation.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

import torch

_MISSING_OPERATORS = ("nms", "qnms")
_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


@functools.cache  # keeps the Library alive: its definitions vanish with the object
def _define_missing_operators() -> torch.library.Library:
    _load_compiled_operators()
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in _MISSING_OPERATORS:
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}{_SIGNATURE}")  # type: ignore[no-untyped-call]
    return library


def _load_compiled_operators() -> None:
    """Load torchvision's own operators where they work, so that ours never stand in front of real ones."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return
    for compiled in Path(spec.origin).parent.glob("_C*.so"):
        with contextlib.suppress(OSError):  # its CUDA libraries are not installed
            torch.ops.load_library(str(compiled))  # type: ignore[no-untyped-call]


def torchvision_models() -> ModuleType:
    """`torchvision.models`, importable with or without torchvision's compiled operators."""
    _define_missing_operators()
    return importlib.import_module("torchvision.models")
