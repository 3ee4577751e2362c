"""The storages that a pickle refers to: which blocks of numbers exist, their type and declared length.

A storage reference is what the pickle claims; the container compares it with the bytes that are really there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from detector.model_file.allowed import STORAGES, GlobalName, NumberType, Role
from detector.model_file.refusals import corrupt, unsafe

_KEY = re.compile(r"[0-9A-Za-z_]{1,32}", re.ASCII)
_LOCATION = re.compile(r"cpu|(cuda|mps)(:[0-9]{1,3})?", re.ASCII)
_MOST_NUMBERS = 1 << 40


@dataclass(frozen=True, slots=True)
class StorageRef:
    """One storage as declared: torch's class and its number type, key in the container, device it is from, length."""

    cls: str
    type: NumberType
    key: str
    location: str
    numel: int

    @property
    def bytes(self) -> int:
        """Bytes of the whole storage."""
        return self.numel * self.type.bytes


@dataclass
class StorageTable:
    """Answers the persistent ids of one pickle and remembers every storage it was asked for."""

    entry: str
    legacy: bool
    by_key: dict[str, StorageRef] = field(default_factory=dict)

    def load(self, identifier: object) -> object:
        """What a persistent id stands for: a storage, or (legacy files) a module class beside its source text.

        Raises
        ------
        UnsafeModelError
            For ids that torch.save does not write for a network.
        """
        match identifier:
            case ("module", GlobalName(role=Role.MODULE) as cls, None | str(), None | str()) if self.legacy:
                return cls
            case ("storage", GlobalName(role=Role.STORAGE) as cls, str() as key, str() as location, int() as numel):
                if not self.legacy:
                    return self._storage(cls, key, location, numel)
            case (
                "storage",
                GlobalName(role=Role.STORAGE) as cls,
                str() as key,
                str() as location,
                int() as numel,
                None,
            ):
                if self.legacy:
                    return self._storage(cls, key, location, numel)
        raise unsafe("an unknown kind of persistent id", self.entry, "storages of tensors")

    def _storage(self, cls: GlobalName, key: str, location: str, numel: int) -> StorageRef:
        if _KEY.fullmatch(key) is None:
            raise unsafe(f"storage key {key!r}", self.entry, "letters and digits")
        if _LOCATION.fullmatch(location) is None:
            raise unsafe(f"storage {key} on device {location!r}", self.entry, "cpu, cuda or mps")
        if not 0 <= numel <= _MOST_NUMBERS:
            raise corrupt(f"storage {key} of {numel} numbers", self.entry, "a possible length")
        reference = StorageRef(cls.name, STORAGES[cls.name], key, location, numel)
        if self.by_key.setdefault(key, reference) != reference:
            raise unsafe(f"storage {key} declared in two ways", self.entry, "one type and length for each storage")
        return self.by_key[key]


@dataclass(frozen=True)
class Contents:
    """What a container held: the pickle's value as inert records, and the bytes of exactly the storages it uses."""

    value: object
    protocol: int
    pickle_bytes: int  # of the pickle (or header) that describes the content
    storages: Mapping[str, memoryview]
