"""A fresh torchvision network with the tensors of a file: the oracle that the measuring engine is tested against.

The network is built by the detector's table of architectures; from the file come numbers alone, copied into memory of
our own, so that neither read-only bytes nor hidden sharing reaches torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from detector.architectures import Architecture, build
from detector.base.errors import CorruptModelError
from detector.model_file.records import ModelRecord
from detector.model_file.refusals import corrupt

if TYPE_CHECKING:
    import torch

_COUNTER = "num_batches_tracked"  # absent from state dicts of torch < 0.4.1; unused in eval mode
_MOST_NAMED = 3  # offending entries spelled out in an error


def rebuild(record: ModelRecord, architecture: Architecture, num_classes: int) -> torch.nn.Module:
    """The network that the record describes: fresh code of ours, the file's numbers, eval mode, no gradients.

    The peak of memory beside the record is one copy of its tensors.

    Raises
    ------
    CorruptModelError
        If names, shapes or number types of the tensors are not exactly those of the architecture.
    """
    import torch

    with torch.device("meta"):  # no memory and no initialisation for weights that are replaced at once
        network = build(architecture, num_classes)
    expected = network.state_dict()
    tensors = record.tensors
    _check_names(expected, tensors, architecture)
    state = {name: _copied(tensors.get(name), place, name, architecture) for name, place in expected.items()}
    network.load_state_dict(state, strict=True, assign=True)
    return network.eval().requires_grad_(False)


def _check_names(expected: Mapping[str, object], tensors: Mapping[str, object], architecture: Architecture) -> None:
    missing = [name for name in expected if name not in tensors and not name.endswith(_COUNTER)]
    unexpected = [name for name in tensors if name not in expected]
    for words, names in (("missing", missing), ("unexpected", unexpected)):
        if names:
            listed = ", ".join(names[:_MOST_NAMED]) + (", ..." if len(names) > _MOST_NAMED else "")
            raise _mismatch(f"{len(names)} tensors {words}: {listed}", "tensors", architecture)


def _copied(source: NDArray[Any] | None, place: torch.Tensor, name: str, architecture: Architecture) -> torch.Tensor:
    """The numbers of `source` in new memory of the type and shape of `place` (a counter that the file lacks is 0)."""
    import torch

    copy = torch.zeros_like(place, device="cpu") if source is None else torch.empty_like(place, device="cpu")
    if source is not None:
        target = copy.numpy()
        if (source.shape, source.dtype) != (target.shape, target.dtype):
            found = f"{source.dtype} of shape {source.shape}"
            raise _mismatch(f"{found} instead of {target.dtype} of shape {target.shape}", name, architecture)
        target[...] = source
    return copy


def _mismatch(what: str, where: str, architecture: Architecture) -> CorruptModelError:
    return corrupt(what, where, f"the tensors of {architecture.name}")
