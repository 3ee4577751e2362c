"""The zip format of torch >= 1.6, read more strictly than any zip tool: one reading of the bytes is possible, or none.

Members must be stored uncompressed (so there are no zip bombs), follow each other without gaps from the first byte of
the file to the central directory, agree in both of their headers, and carry right checksums; nothing may come before,
between or after. Nothing is extracted: members are views into the bytes that were read.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from detector.base.limits import ModelFileLimits
from detector.base.text import listed
from detector.model_file.pickle_machine import run_pickle
from detector.model_file.refusals import corrupt, over_limit, unsafe
from detector.model_file.storages import Contents, StorageTable

_END = struct.Struct("<4sHHHHIIH")  # end of central directory
_LOCATOR = struct.Struct("<4sIQI")  # where the zip64 record is
_END64 = struct.Struct("<4sQHHIIQQQQ")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_DESCRIPTOR = struct.Struct("<4sIII")  # follows the data where sizes were not known beforehand

_HAS_DESCRIPTOR, _UTF8_NAMES = 0x0008, 0x0800
_TOP_FOLDER = re.compile(r"[!-.0-\[\]-~][ -.0-\[\]-~]{0,254}", re.ASCII)  # printable, no slash or backslash
_BOOKKEEPING = re.compile(r"version|byteorder|\.[a-z_]{1,32}(/[a-z_]{1,32})?", re.ASCII)
_LONGEST_BOOKKEEPING = 1024
_UNZIP = "if this is a zip file made by a zip program, unzip it and give the model.pt inside"
_TORCHSCRIPT = re.compile(r"constants\.pkl|code/.*", re.DOTALL)
_EXPORTED = re.compile(r"archive_format|archive_version|models/.*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    flags: int
    method: int
    crc: int
    packed: int  # bytes in the archive
    size: int
    offset: int  # of the local header

    @property
    def checks(self) -> tuple[int, int, int]:
        return self.crc, self.packed, self.size


def read_zip(data: memoryview, limits: ModelFileLimits) -> Contents:
    """The contents of a zip archive written by torch.save.

    Raises
    ------
    CorruptModelError
        If the archive is damaged, or is not one that torch.save writes.
    UnsafeModelError
        If it is made to be read differently by different programs, exceeds a limit, or holds an unsafe pickle.
    """
    start, directory = _directory(data, limits)
    names = _record_names(directory)
    _check_kind(names)
    records = dict(zip(names, _contents(data, directory, start), strict=True))
    _check_bookkeeping(records)
    table = StorageTable("data.pkl", legacy=False)
    program = records["data.pkl"]
    result = run_pickle(program, limits, entry="data.pkl", persistent_load=table.load)
    if result.end != len(program):
        raise unsafe("bytes after the end of the pickle", "data.pkl", "one pickle")
    return Contents(result.value, result.protocol, len(program), _storages(records, table))


def _storages(records: Mapping[str, memoryview], table: StorageTable) -> dict[str, memoryview]:
    storages = {name.removeprefix("data/"): data for name, data in records.items() if name.startswith("data/")}
    if unknown := storages.keys() ^ table.by_key.keys():
        raise corrupt(f"storage {min(unknown)} is in only one of archive and pickle", "archive", "the same in both")
    for key, reference in table.by_key.items():
        if len(storages[key]) != reference.bytes:
            found = f"{len(storages[key])} bytes for {reference.numel} numbers of {reference.type.name}"
            raise corrupt(found, f"archive member data/{key}", f"{reference.bytes} bytes")
    return storages


def _record_names(directory: list[_Member]) -> list[str]:
    """The names of the members without the one folder that torch.save puts all of them into."""
    full = [member.name for member in directory]
    tops = sorted({name.partition("/")[0] for name in full})
    if len(tops) != 1 or _TOP_FOLDER.fullmatch(tops[0]) is None or tops[0] in (".", ".."):
        raise unsafe(f"top-level entries {tops[:3]}", "archive", "exactly one folder")
    names = [name.partition("/")[2] for name in full]
    for name in names:
        if "\\" in name or any(part in ("", ".", "..") for part in name.split("/")):
            raise unsafe(f"member name {name!r}", "archive", "plain relative names")
    if len(set(names)) != len(names):
        raise unsafe(f"two members named {Counter(names).most_common(1)[0][0]!r}", "archive", "different names")
    return names


def _check_kind(names: list[str]) -> None:
    if any(_TORCHSCRIPT.fullmatch(name) for name in names):
        raise unsafe("a TorchScript program", "archive", "a network saved by torch.save, not by torch.jit.save")
    if any(_EXPORTED.fullmatch(name) for name in names):
        raise unsafe("an exported program (.pt2)", "archive", "a network saved by torch.save, not by torch.export")
    if "data.pkl" not in names:
        raise corrupt(f"no data.pkl among {listed(names)}", "archive", "an archive written by torch.save", _UNZIP)
    for name in names:
        if not (name == "data.pkl" or name.startswith("data/") or _BOOKKEEPING.fullmatch(name)):
            raise unsafe(f"member {name!r}", "archive", "data.pkl, data/* and torch's bookkeeping records")


def _check_bookkeeping(records: Mapping[str, memoryview]) -> None:
    for name, content in records.items():
        if _BOOKKEEPING.fullmatch(name) and len(content) > _LONGEST_BOOKKEEPING:
            raise unsafe(f"{len(content)} bytes", f"archive member {name}", f"at most {_LONGEST_BOOKKEEPING}")
    if bytes(records.get("byteorder", b"little")) != b"little":
        raise corrupt("not in little-endian byte order", "archive member byteorder", "little")


# The zip structures themselves.


def _directory(data: memoryview, limits: ModelFileLimits) -> tuple[int, list[_Member]]:
    """Where the central directory starts, and the members that it lists."""
    start, end, count = _central_directory(data)
    if count > limits.members:
        raise over_limit("members", "archive", limits.members)
    directory: list[_Member] = []
    position = start
    for _ in range(count):
        member, position = _central_header(data, position, end)
        directory.append(member)
    if position != end:
        raise corrupt("a malformed central directory", "archive", "what torch.save writes")
    return start, directory


def _contents(data: memoryview, directory: list[_Member], end: int) -> Iterator[memoryview]:
    """The bytes of each member, after proving that the members fill the archive up to `end` without gap or overlap."""
    expected = 0
    for member in directory:
        if member.offset != expected:
            raise unsafe(f"member {member.name!r} does not start where the last one ends", "archive", "no gaps")
        content, expected = _content(data, member, end)
        yield content
    if expected != end:
        raise unsafe("bytes that belong to no member", "archive", "members, then the central directory")


def _central_directory(data: memoryview) -> tuple[int, int, int]:
    """Start and end of the central directory and its number of entries; everything after it is accounted for."""
    tail = len(data) - _END.size
    signature, disk, first_disk, here, count, size, start, comment = _unpack(_END, data, tail)
    if signature != b"PK\5\6" or comment:
        raise corrupt("no end record, or something after it", "archive", "a complete zip file")
    plain: tuple[int, ...] = (disk, first_disk, here, count, size, start)
    end = tail
    if tail >= _LOCATOR.size and bytes(data[tail - _LOCATOR.size :][:4]) == b"PK\6\7":
        end, plain = _zip64_end(data, tail - _LOCATOR.size, plain)
    disk, first_disk, here, count, size, start = plain
    if disk or first_disk or here != count or start + size != end:
        raise unsafe("an end record that does not fit the file", "archive", "what torch.save writes")
    return start, end, count


def _zip64_end(data: memoryview, locator: int, plain: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """The larger end record that torch always adds; it may not contradict the plain one."""
    _, disk, offset, disks = _unpack(_LOCATOR, data, locator)
    position = locator - _END64.size
    signature, size, _, _, *wide = _unpack(_END64, data, position)
    fits = signature == b"PK\6\6" and size == _END64.size - 12 and offset == position and (disk, disks) == (0, 1)
    agrees = all(small in (large, ceiling) for small, large, ceiling in zip(plain, wide, _CEILINGS, strict=True))
    if not (fits and agrees):
        raise unsafe("a zip64 end record that contradicts the file", "archive", "what torch.save writes")
    return position, tuple(wide)


_CEILINGS = (0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)  # "see the zip64 record"


def _central_header(data: memoryview, position: int, end: int) -> tuple[_Member, int]:
    fields = _unpack(_CENTRAL, data, position)
    signature, _, _, flags, method, _, _, crc, packed, size, name_len, extra_len, comment_len, _, _, _, offset = fields
    name_at = position + _CENTRAL.size
    following = name_at + name_len
    if signature != b"PK\1\2" or extra_len or comment_len or following > end:
        raise corrupt("a malformed central directory", "archive", "what torch.save writes")
    name = _name(data[name_at:following])
    return _Member(name, flags, method, crc, packed, size, offset), following


def _name(raw: memoryview) -> str:
    name = bytes(raw).decode("ascii", "backslashreplace")
    if not name.isprintable() or len(name) != len(raw):
        raise unsafe(f"member name {name!r}", "archive", "printable ASCII names")
    return name


def _content(data: memoryview, member: _Member, limit: int) -> tuple[memoryview, int]:
    """The bytes of a member after comparing its local header and checksum, and where the next member must begin."""
    if member.method or member.packed != member.size:
        raise unsafe(
            f"member {member.name!r} is compressed", "archive", "stored members, as torch.save writes them", _UNZIP
        )
    if member.flags & ~(_HAS_DESCRIPTOR | _UTF8_NAMES):
        raise unsafe(f"member {member.name!r} is encrypted or has unknown flags", "archive", "plain members")
    header = _unpack(_LOCAL, data, member.offset)
    signature, _, flags, method, _, _, *checks, name_len, extra_len = header
    name_at = member.offset + _LOCAL.size
    start = name_at + name_len + extra_len  # torch pads with the extra field, so that storages are aligned
    end = start + member.size
    deferred = (0, 0, 0) if flags & _HAS_DESCRIPTOR else member.checks
    agrees = (signature, flags, method) == (b"PK\3\4", member.flags, 0) and tuple(checks) in (member.checks, deferred)
    if end > limit or not agrees or bytes(data[name_at : name_at + name_len]) != member.name.encode("ascii"):
        raise unsafe(f"the two headers of member {member.name!r} disagree", "archive", "what torch.save writes")
    content = data[start:end]
    if zlib.crc32(content) != member.crc:
        raise corrupt(f"wrong checksum of member {member.name!r}", "archive", f"{member.crc:08x}")
    return content, _after_descriptor(data, member, end) if flags & _HAS_DESCRIPTOR else end


def _after_descriptor(data: memoryview, member: _Member, position: int) -> int:
    signature, *checks = _unpack(_DESCRIPTOR, data, position)
    if signature != b"PK\7\10" or tuple(checks) != member.checks:
        raise unsafe(f"the data descriptor of member {member.name!r} disagrees", "archive", "what torch.save writes")
    return position + _DESCRIPTOR.size


def _unpack(layout: struct.Struct, data: memoryview, position: int) -> tuple[Any, ...]:
    if not 0 <= position <= len(data) - layout.size:
        raise corrupt("the archive is truncated", "archive", "a complete zip file")
    return layout.unpack_from(data, position)
