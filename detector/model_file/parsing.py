"""From the bytes of a model file to a `ModelRecord`, and to where its numbers lie in the file. Nothing is trusted.

This module and all that it imports work without torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from types import MappingProxyType

from detector.base.limits import ModelFileLimits
from detector.model_file.audit import audit
from detector.model_file.container import read_contents
from detector.model_file.records import ModelRecord
from detector.model_file.tensors import SavedNumbers


@dataclass(frozen=True)
class Parsed:
    """What a file says, and each of its tensors as it is in the file."""

    record: ModelRecord
    saved: Mapping[str, SavedNumbers]


def parse(data: memoryview, limits: ModelFileLimits, hashing: Future[str]) -> Parsed:
    """Parse and audit; `hashing` will know the checksum. Errors name the place inside the file only."""
    file_format, contents = read_contents(data, limits)
    audited = audit(contents.value, contents.storages, limits)
    tensors = audited.reader.tensors
    others = contents.storages.keys() - audited.reader.storages_read
    other_bytes = sum(len(contents.storages[key]) for key in others)
    record = ModelRecord(
        format=file_format,
        kind=audited.kind,
        tensors=MappingProxyType(tensors),
        modules=tuple(audited.modules),
        data_parallel=audited.data_parallel,
        pickle_protocol=contents.protocol,
        file_bytes=len(data),
        hashing=hashing,
        notes=tuple(audited.notes),
        set_aside=tuple(audited.set_aside),
        extra_bytes=other_bytes + (audited.reader.saved_bytes - sum(tensor.nbytes for tensor in tensors.values())),
        extra_items=len(others),
        pickle_bytes=contents.pickle_bytes,
    )
    return Parsed(record, MappingProxyType(audited.reader.saved))
