"""The way from a path to a `ModelRecord`: read once, parse to inert records, audit. Nothing in the file is trusted.

This module and all that it imports work without torch.
"""

from __future__ import annotations

import hashlib
from os import PathLike
from pathlib import Path
from types import MappingProxyType

from detector.base.background import in_background
from detector.base.errors import ModelRefusedError
from detector.model_file.audit import audit
from detector.model_file.container import read_contents
from detector.model_file.limits import Limits
from detector.model_file.records import ModelRecord
from detector.model_file.source import SavedModel, read_bytes

_DEFAULT_LIMITS = Limits()


def read_model(source: str | PathLike[str] | SavedModel, limits: Limits = _DEFAULT_LIMITS) -> ModelRecord:
    """Read, parse and audit a model file; whatever it is, nothing in it is run.

    Parameters
    ----------
    source
        A file written by `torch.save` (zip or legacy format, pickle protocols 2 to 5), by its path or in memory: a
        whole network, as TrojAI ships it, a state dict, or a checkpoint that holds one of these.
    limits
        How much memory and work the file may ask for.

    Returns
    -------
    ModelRecord
        Its tensors are read-only views into the bytes of the file, which stay in memory as long as they do.

    Raises
    ------
    UnsafeModelError
        If the file holds something that a trained classifier never needs, naming it and its place.
    CorruptModelError
        If the file is damaged, cannot be read, or is no model file.
    """
    try:
        return parse_model(read_bytes(source if isinstance(source, SavedModel) else Path(source), limits), limits)
    except ModelRefusedError as error:
        where = f"{source}: {error.where}"
        raise type(error)(error.what, where=where, expected=error.expected, next_step=error.next_step) from error


def parse_model(content: bytes, limits: Limits = _DEFAULT_LIMITS) -> ModelRecord:
    """`read_model` for the bytes of a file; errors name the place inside the file only."""
    data = memoryview(content)
    # beside whatever comes next: of all that is done with a large file it takes the longest
    hashing = in_background(lambda: hashlib.sha256(content).hexdigest())
    file_format, contents = read_contents(data, limits)
    audited = audit(contents.value, contents.storages, limits)
    tensors = audited.reader.tensors
    others = contents.storages.keys() - audited.reader.storages_read
    other_bytes = sum(len(contents.storages[key]) for key in others)
    return ModelRecord(
        format=file_format,
        kind=audited.kind,
        tensors=MappingProxyType(tensors),
        modules=tuple(audited.modules),
        data_parallel=audited.data_parallel,
        pickle_protocol=contents.protocol,
        file_bytes=len(content),
        hashing=hashing,
        notes=tuple(audited.notes),
        set_aside=tuple(audited.set_aside),
        extra_bytes=other_bytes + (audited.reader.saved_bytes - sum(tensor.nbytes for tensor in tensors.values())),
        extra_items=len(others),
        pickle_bytes=contents.pickle_bytes,
    )
