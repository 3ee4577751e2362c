"""Tells from the first bytes, never from the name, what kind of file this is, and reads those that are models.

There is no fallback: a file that looks like one kind is read as that kind or refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from detector.base.limits import ModelFileLimits
from detector.model_file.legacy import read_legacy
from detector.model_file.records import FileFormat
from detector.model_file.refusals import corrupt, unsafe
from detector.model_file.safetensors import LENGTH_BYTES, read_safetensors
from detector.model_file.storages import Contents
from detector.model_file.zip_archive import read_zip

_PICKLE = 0x80  # PROTO, the first opcode of every pickle since protocol 2
_SHORTEST, LONGEST_START = 8, 512
_ZIP = b"PK\3\4"
_JSON = b"{"
_SHOWN = 16  # bytes of an unknown file that a message tells
_TAR = b"ustar"  # at byte 257

_OTHER_KINDS = (
    (b"version https://git-lfs", "a git-lfs pointer instead of the file itself (run `git lfs pull`)"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x1f\x8b", "a gzip file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"<", "an HTML or XML page (a failed download?)"),
    (b"{", "a JSON file"),
)


def identify(data: memoryview) -> FileFormat:
    """The format of the file, by its content.

    Raises
    ------
    CorruptModelError
        If it is not a model file, saying what it seems to be.
    UnsafeModelError
        If it is in torch's .tar format, which PyTorch itself no longer reads safely (CVE-2025-32434).
    """
    start = bytes(data[:LONGEST_START])
    if start.startswith(_ZIP):
        return FileFormat.ZIP
    if start.startswith(_TAR, 257):
        step = "extract nothing; save the network anew: torch.save(model.state_dict(), 'model.pt')"
        raise unsafe("a tar archive", "file", "a file saved by torch.save of torch >= 0.4", step)
    if start.startswith(_JSON, LENGTH_BYTES) and not any(start.startswith(mark) for mark, _ in _OTHER_KINDS):
        return FileFormat.SAFETENSORS
    if len(data) > _SHORTEST and data[0] == _PICKLE:
        return FileFormat.LEGACY
    raise corrupt(_kind(start), "file", "a file saved by torch.save, or a safetensors file")


def _kind(start: bytes) -> str:
    if len(start) < _SHORTEST:
        return f"a file of {len(start)} bytes"
    unknown = f"an unknown kind of file, which begins with {start[:_SHOWN]!r}"
    return next((kind for mark, kind in _OTHER_KINDS if start.startswith(mark)), unknown)


def read_contents(data: memoryview, limits: ModelFileLimits) -> tuple[FileFormat, Contents]:
    """Identify the file and parse it to inert records; errors as of `read_zip` and `read_legacy`."""
    file_format = identify(data)
    return file_format, _READERS[file_format](data, limits)


_READERS: Mapping[FileFormat, Callable[[memoryview, ModelFileLimits], Contents]] = {
    FileFormat.ZIP: read_zip,
    FileFormat.LEGACY: read_legacy,
    FileFormat.SAFETENSORS: read_safetensors,
}
