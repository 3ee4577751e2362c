"""Makes torchvision's Python model code importable where its compiled operators cannot load.

torchvision's wheels from the ordinary index need CUDA libraries even for the CPU; without them the import fails on
`operator torchvision::nms does not exist`. We use no operator of torchvision, only its model definitions, so it is
enough that the two names exist. They are defined only where they are missing, and never get an implementation.
"""

from __future__ import annotations

import functools
import importlib
from types import ModuleType

import torch

_MISSING_OPERATORS = ("nms", "qnms")
_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


@functools.cache  # keeps the Library alive: its definitions vanish with the object
def _define_missing_operators() -> torch.library.Library:
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in _MISSING_OPERATORS:
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}{_SIGNATURE}")
    return library


def torchvision_models() -> ModuleType:
    """`torchvision.models`, importable with or without torchvision's compiled operators."""
    try:
        # Loads the compiled operators where they work, so that ours never stand in front of real ones.
        return importlib.import_module("torchvision.models")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    _define_missing_operators()
    return importlib.import_module("torchvision.models")
