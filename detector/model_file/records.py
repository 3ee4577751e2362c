"""What a model file says, as inert data: names, attributes, arrays. Nothing here can run, import or allocate.

Values of attributes are plain (None, bool, int, float, str and tuples of them); everything else that a pickle can
hold has been refused or dropped by the audit before a `ModelRecord` exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

PlainValue = None | bool | int | float | str | tuple["PlainValue", ...]


class FileFormat(StrEnum):
    """How the file was written: by torch.save in one of two ways, or by safetensors."""

    ZIP = "zip"  # torch >= 1.6
    LEGACY = "legacy"  # before: four stacked pickles and raw storages
    SAFETENSORS = "safetensors"  # no pickle at all: names, shapes and numbers


class ContentKind(StrEnum):
    """What was saved."""

    MODULE = "module"  # the whole network, as TrojAI does
    STATE_DICT = "state_dict"  # tensors only: no classes and attributes to check


@dataclass(frozen=True)
class ModuleRecord:
    """One module of the saved tree: its path ("" for the root), its class as the file names it, its attributes."""

    path: str
    class_module: str
    class_name: str
    attributes: Mapping[str, PlainValue]


@dataclass(frozen=True)
class ModelRecord:
    """A parsed and audited model file.

    `tensors` are read-only views into the bytes of the file, keyed as in `state_dict()` without what wrappers
    put before the names, in the file's order; `modules` are in pre-order and empty for a state dict.
    """

    format: FileFormat
    kind: ContentKind
    tensors: Mapping[str, NDArray[Any]]
    modules: tuple[ModuleRecord, ...]
    data_parallel: bool
    pickle_protocol: int
    file_bytes: int
    hashing: Future[str] = field(compare=False, repr=False)
    notes: tuple[str, ...] = ()  # harmless oddities worth telling, e.g. training mode saved
    set_aside: tuple[str, ...] = ()  # what lies around the network and was not used: other entries, wrappers, prefixes
    extra_bytes: int = 0  # of the file, beyond the network's numbers in float32; negative where it saved them shorter
    extra_items: int = 0  # storages that hold none of the network's numbers
    pickle_bytes: int = 0  # of the pickle that describes the content

    @property
    def sha256(self) -> str:
        """Of the file's bytes, in hexadecimal digits."""
        return self.hashing.result()


Tensor = NDArray[np.float32]
