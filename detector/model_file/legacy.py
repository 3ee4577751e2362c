"""The format before torch 1.6: four stacked pickles (magic number, version, platform, object), a fifth with the storage
keys, then the storages as a count and raw numbers. Every byte must be accounted for.
"""

from __future__ import annotations

import struct

from detector.base.limits import ModelFileLimits
from detector.model_file.pickle_machine import Unpickled, run_pickle
from detector.model_file.refusals import corrupt, unsafe
from detector.model_file.storages import Contents, StorageTable

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_COUNT = struct.Struct("<q")


def read_legacy(data: memoryview, limits: ModelFileLimits) -> Contents:
    """The contents of a file in torch's legacy format.

    Raises
    ------
    CorruptModelError
        If the file is damaged, or is a pickle that torch.save did not write.
    UnsafeModelError
        If it holds an unsafe pickle.
    """
    magic = run_pickle(data, limits, entry="magic number")
    if type(magic.value) is not int or magic.value != MAGIC_NUMBER:
        raise corrupt("a pickle without torch's magic number", "file", "a file saved by torch.save")
    version = run_pickle(data, limits, entry="format version", start=magic.end)
    if type(version.value) is not int or version.value != _VERSION:
        raise corrupt("an unknown format version", "file", str(_VERSION))
    platform = run_pickle(data, limits, entry="platform", start=version.end)
    _check_platform(platform.value)
    table = StorageTable("object pickle", legacy=True)
    start = platform.end
    result = run_pickle(data, limits, entry="object pickle", start=start, persistent_load=table.load)
    keys = run_pickle(data, limits, entry="storage keys", start=result.end)
    return Contents(result.value, result.protocol, result.end - start, _storages(data, keys, table))


def _check_platform(value: object) -> None:
    match value:
        case {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4}}:
            return
    raise corrupt("an unknown platform", "platform", "a little-endian machine")


def _storages(data: memoryview, keys: Unpickled, table: StorageTable) -> dict[str, memoryview]:
    listed = keys.value
    if type(listed) is not list or any(type(key) is not str for key in listed):
        raise corrupt("no list of storage keys", "storage keys", "a list of texts")
    if len(set(listed)) != len(listed) or set(listed) != table.by_key.keys():
        raise corrupt("not the storages that the pickle uses", "storage keys", "each of them once")
    storages: dict[str, memoryview] = {}
    position = keys.end
    for key in listed:
        reference, start = table.by_key[key], position + _COUNT.size
        end = start + reference.bytes
        if end > len(data):
            raise corrupt("the file is truncated", f"storage {key}", f"{reference.bytes} bytes")
        if _COUNT.unpack_from(data, position)[0] != reference.numel:
            raise corrupt("another length than the pickle declares", f"storage {key}", f"{reference.numel} numbers")
        storages[key], position = data[start:end], end
    if position != len(data):
        raise unsafe(f"{len(data) - position} bytes after the last storage", "file", "nothing more")
    return storages
