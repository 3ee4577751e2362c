"""Records of live networks, made without the parser of model files: what it would read, from the network itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future

import numpy as np
import pytest
import torch

from detector.graph.modules import Reference
from detector.graph.reference import load_references
from detector.model_file.records import ContentKind, FileFormat, ModelRecord, ModuleRecord


@pytest.fixture(scope="session")
def references() -> Mapping[str, Reference]:
    return load_references()


@pytest.fixture(scope="session")
def record_network() -> Callable[..., ModelRecord]:
    return _record_network


def _record_network(network: torch.nn.Module, kind: ContentKind = ContentKind.MODULE) -> ModelRecord:
    """A record of a network on any device; tensors on torch's meta device become constants that take no memory."""
    modules = tuple(_record_module(path, module) for path, module in network.named_modules())
    return ModelRecord(
        format=FileFormat.ZIP,
        kind=kind,
        tensors={name: _array(tensor) for name, tensor in network.state_dict().items()},
        modules=modules if kind is ContentKind.MODULE else (),
        data_parallel=False,
        pickle_protocol=2,
        file_bytes=0,
        hashing=Future(),
    )


def _array(tensor: torch.Tensor) -> np.ndarray:
    if tensor.is_meta:
        return np.broadcast_to(np.float32(0.5), tuple(tensor.shape))
    return tensor.detach().numpy()


def _record_module(path: str, module: torch.nn.Module) -> ModuleRecord:
    attributes = {name: value for name, value in vars(module).items() if _is_plain(value)}
    return ModuleRecord(path, type(module).__module__, type(module).__name__, attributes)


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)
