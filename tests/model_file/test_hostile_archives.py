"""Files that are no model, archives made to be read in two ways, and paths that are no file: a typed refusal for each.

The numbers are those of the project's catalogue of hostile inputs.
"""

from __future__ import annotations

import io
import os
import struct
import tarfile
import threading
import time
import tracemalloc
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from detector.base.errors import CorruptModelError, ModelRefusedError, UnsafeModelError
from detector.model_file import ModelFileLimits, parse_model, read_model

pytestmark = pytest.mark.hostile

CENTRAL, LOCAL, END = b"PK\1\2", b"PK\3\4", b"PK\5\6"


def _refused(content: bytes | bytearray, error: type[ModelRefusedError] = ModelRefusedError) -> str:
    start = time.process_time()
    with pytest.raises(error) as caught:
        parse_model(bytes(content))
    assert time.process_time() - start < 5
    return caught.value.what


@pytest.fixture
def good(forge: SimpleNamespace) -> bytes:
    content: bytes = forge.container(forge.network)
    assert parse_model(content).tensors
    return content


@pytest.fixture
def torch_file() -> bytes:
    buffer = io.BytesIO()
    torch.save(torch.nn.Linear(2, 2).state_dict(), buffer)
    assert parse_model(buffer.getvalue()).tensors
    return buffer.getvalue()


# 25, 28, 38: other kinds of file.


@pytest.mark.parametrize("member", ["pickle", "../evil", "link"])
def test_25_tar(member: str) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo(member)
        if member == "link":
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    assert "a tar archive" in _refused(buffer.getvalue(), UnsafeModelError)


OTHER_FILES = {
    "28-png": (b"\x89PNG\r\n\x1a\n" + bytes(100), "a PNG image"),
    "28-7z": (b"7z\xbc\xaf\x27\x1c" + bytes(100), "a 7z archive"),
    "28-gzip": (b"\x1f\x8b\x08" + bytes(100), "a gzip file"),
    "28-hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file"),
    "28-safetensors": (struct.pack("<Q", 30) + b'{"weight":{"dtype":"F32"}}    ', "a safetensors file"),
    "38-empty": (b"", "a file of 0 bytes"),
    "38-three-bytes": (b"PK\3", "a file of 3 bytes"),
    "38-git-lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull"),
    "38-html": (b"<!DOCTYPE html><html>Not found</html>", "an HTML or XML page"),
    "38-json": (b'{"message": "Not found"}', "a JSON file"),
    "38-zeros": (bytes(1000), "an unknown kind of file"),
    "38-text": (b"hello, this is no model\n", "an unknown kind of file"),
    "38-empty-zip": (END + bytes(18), "an unknown kind of file"),
    "29-pickle-without-magic": (b"\x80\x02}q\0X\1\0\0\0aNs.", "without torch's magic number"),
}


@pytest.mark.parametrize(("content", "named"), OTHER_FILES.values(), ids=OTHER_FILES)
def test_other_files(content: bytes, named: str) -> None:
    assert named in _refused(content, CorruptModelError)


def test_28_torchscript(forge: SimpleNamespace) -> None:
    members = {"constants.pkl": forge.encode(()), "code/__torch__.py": b"import os"}
    assert "TorchScript" in _refused(forge.zip_file(forge.encode(None), **members), UnsafeModelError)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_28_real_torchscript() -> None:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), buffer)
    assert "TorchScript" in _refused(buffer.getvalue(), UnsafeModelError)


def test_28_exported_program(forge: SimpleNamespace) -> None:
    members = {"archive_format": b"pt2", "models/model.json": b"{}"}
    assert "exported program" in _refused(forge.zip_file(forge.encode(None), **members), UnsafeModelError)


# 26, 27: zip archives.


def test_26_names_and_folders(forge: SimpleNamespace) -> None:
    program = forge.encode(None)
    cases = {
        "member name": [("a/data.pkl", program), ("a/../data.pkl", program)],
        "member name ''": [("a/data.pkl", program), ("a/", b"")],
        "member name 'data.pkl\\\\x'": [("a/data.pkl\\x", program)],
        "top-level entries ['']": [("/etc/data.pkl", program)],
        "top-level entries ['..']": [("../data.pkl", program)],
        "top-level entries ['a', 'b']": [("a/data.pkl", program), ("b/data.pkl", program)],
        "top-level entries ['c:\\\\windows']": [("c:\\windows/data.pkl", program)],
        "no data.pkl": [("a/data/0", program)],
        "member 'x/data.pkl'": [("a/data.pkl", program), ("a/x/data.pkl", program)],
        "member 'nested.zip'": [("a/data.pkl", program), ("a/nested.zip", b"PK\3\4")],
        "2000 bytes": [("a/data.pkl", program), ("a/.hidden", bytes(2000))],
    }
    for named, members in cases.items():
        assert named in _refused(forge.zip_members(members))


def test_26_two_data_pkl(forge: SimpleNamespace) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = forge.zip_members([("a/data.pkl", forge.encode(None)), ("a/data.pkl", forge.encode(1))])
    assert "two members named" in _refused(content, UnsafeModelError)


def test_26_non_ascii_name(forge: SimpleNamespace) -> None:
    assert "member name" in _refused(forge.zip_members([("a/dätä.pkl", b"")]), UnsafeModelError)


def _patched(
    content: bytes | bytearray, mark: bytes, offset: int, layout: str, value: int | bytes, *, last: bool = False
) -> bytearray:
    """The archive with one field of a zip header replaced."""
    position = (content.rindex if last else content.index)(mark) + offset
    patched = bytearray(content)
    struct.pack_into(layout, patched, position, value)
    return patched


HEADERS = {
    "local-name": (LOCAL, 30, "B", ord("b"), "the two headers"),
    "local-size": (LOCAL, 22, "<I", 5, "the two headers"),
    "local-crc": (LOCAL, 14, "<I", 5, "the two headers"),
    "local-method": (LOCAL, 8, "<H", 8, "the two headers"),
    "local-flags": (LOCAL, 6, "<H", 1, "the two headers"),
    "local-signature": (CENTRAL, 42, "<I", 4, "does not start where"),
    "local-extra": (LOCAL, 28, "<H", 9, "wrong checksum"),
    "central-method": (CENTRAL, 10, "<H", 8, "is compressed"),
    "central-packed": (CENTRAL, 20, "<I", 1, "is compressed"),
    "central-encrypted": (CENTRAL, 8, "<H", 1, "is encrypted"),
    "central-patch-data": (CENTRAL, 8, "<H", 0x20, "is encrypted or has unknown flags"),
    "central-crc": (CENTRAL, 16, "<I", 5, "the two headers"),
    "central-extra": (CENTRAL, 30, "<H", 4, "malformed central"),
    "central-comment": (CENTRAL, 32, "<H", 4, "malformed central"),
    "central-long-name": (CENTRAL, 28, "<H", 0xFFFF, "malformed central"),
    "end-disk": (END, 4, "<H", 1, "does not fit"),
    "end-count": (END, 10, "<H", 3, "does not fit"),
    "end-size": (END, 12, "<I", 3, "does not fit"),
    "end-start": (END, 16, "<I", 3, "does not fit"),
    "end-comment": (END, 20, "<H", 3, "no end record"),
}


@pytest.mark.parametrize(("mark", "offset", "layout", "value", "named"), HEADERS.values(), ids=HEADERS)
def test_26_headers_that_disagree(good: bytes, mark: bytes, offset: int, layout: str, value: int, named: str) -> None:
    assert named in _refused(_patched(good, mark, offset, layout, value, last=mark == END))


def test_26_every_member_needs_its_checksum(good: bytes) -> None:
    """torch ignores the checksums of zip members; a flipped bit in a weight would go unseen."""
    position = good.rindex(struct.pack("<f", 5.0))  # the last of the convolution's weights 0 .. 5
    flipped = bytearray(good)
    flipped[position] ^= 1
    assert "wrong checksum of member 'archive/data/" in _refused(flipped, CorruptModelError)


def test_26_data_descriptor_disagrees(torch_file: bytes) -> None:
    assert "data descriptor" in _refused(_patched(torch_file, b"PK\7\10", 4, "<I", 1), UnsafeModelError)


ZIP64 = {
    "disk": (16, "<I", 1),
    "count": (32, "<Q", 1),
    "size": (40, "<Q", 2**63),
    "start": (48, "<Q", 2**40),
    "length": (4, "<Q", 9),
}


@pytest.mark.parametrize(("offset", "layout", "value"), ZIP64.values(), ids=ZIP64)
def test_26_zip64_lies(torch_file: bytes, offset: int, layout: str, value: int) -> None:
    assert "contradicts the file" in _refused(_patched(torch_file, b"PK\6\6", offset, layout, value), UnsafeModelError)


def test_26_zip64_locator_lies(torch_file: bytes) -> None:
    assert "contradicts the file" in _refused(_patched(torch_file, b"PK\6\7", 8, "<Q", 0), UnsafeModelError)


def test_26_bytes_around_and_between(good: bytes) -> None:
    start = good.index(CENTRAL)
    for content in (
        b"#!/bin/sh\n" + good,
        good + b"\0",
        good[:start] + b"hidden" + good[start:],
        good[:-1],
        good[: start + 20],
    ):
        _refused(content)


def test_26_prefix_with_shifted_offsets(good: bytes) -> None:
    """A polyglot that a zip tool accepts: all offsets are right, but another file comes first."""
    prefix = LOCAL + bytes(100)
    buffer = io.BytesIO(prefix)
    buffer.seek(0, io.SEEK_END)
    with zipfile.ZipFile(io.BytesIO(good)) as old, zipfile.ZipFile(buffer, "a") as new:
        for info in old.infolist():
            new.writestr(info, old.read(info))
    with zipfile.ZipFile(buffer) as check:
        assert check.testzip() is None
    assert "does not start where" in _refused(buffer.getvalue(), UnsafeModelError)


def test_26_overlapping_members(good: bytes) -> None:
    """Two names for the same bytes, the trick behind bombs without compression."""
    first = good.index(CENTRAL)
    second = good.index(CENTRAL, first + 1)
    overlapping = _patched(good, CENTRAL, 0, "4s", CENTRAL)
    struct.pack_into("<I", overlapping, second + 42, 0)
    assert "does not start where" in _refused(overlapping, UnsafeModelError)


def test_26_many_members(good: bytes) -> None:
    """The count is judged before the members are looked at."""
    content = _patched(_patched(good, END, 8, "<H", 0xFFFE), END, 10, "<H", 0xFFFE)
    assert "too many members" in _refused(content, UnsafeModelError)


def test_26_real_archive_of_many_members(forge: SimpleNamespace) -> None:
    members = [("a/data.pkl", forge.encode(None)), *((f"a/data/{number}", b"") for number in range(20_000))]
    assert "too many members" in _refused(forge.zip_members(members), UnsafeModelError)


def test_26_big_endian(forge: SimpleNamespace) -> None:
    assert "byte order" in _refused(forge.zip_file(forge.encode(None), byteorder=b"big"), CorruptModelError)


def test_27_zip_bomb(forge: SimpleNamespace) -> None:
    bomb = forge.zip_members([("a/data.pkl", bytes(80_000_000))], zipfile.ZIP_DEFLATED)
    assert len(bomb) < 100_000
    tracemalloc.start()
    assert "is compressed" in _refused(bomb, UnsafeModelError)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_members_without_reference_and_references_without_member(forge: SimpleNamespace) -> None:
    storages = forge.Storages()
    program = forge.encode(forge.network(storages))
    content = dict(storages.content)
    assert "storage extra is in only one" in _refused(forge.zip_file(program, content | {"extra": b"1234"}))
    content.pop("3")
    assert "storage 3 is in only one" in _refused(forge.zip_file(program, content))


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_every_truncation_is_refused(forge: SimpleNamespace, legacy: bool) -> None:
    content = forge.container(forge.network, legacy=legacy)
    for length in range(0, len(content), 7):
        _refused(content[:length])


def test_bytes_after_a_legacy_file(forge: SimpleNamespace) -> None:
    assert "bytes after the last storage" in _refused(
        forge.container(forge.network, legacy=True) + b"\0", UnsafeModelError
    )


@pytest.mark.parametrize("keys", [["0"], [*"0123456"], [*"012344"], [0], None, "0"])
def test_legacy_storage_keys(forge: SimpleNamespace, keys: object) -> None:
    storages = forge.Storages(legacy=True)
    content = forge.legacy_file(forge.encode(forge.network(storages)))  # the keys of no storages: an empty list
    assert content.endswith(b"\x80\x02]q\x00.")
    _refused(content.removesuffix(b"\x80\x02]q\x00.") + forge.encode(keys) + bytes(1000))


# 30: what a path can be.


def _refused_path(
    path: Path | str,
    named: str,
    error: type[ModelRefusedError] = CorruptModelError,
    limits: ModelFileLimits | None = None,
) -> None:
    with pytest.raises(error, match=named):
        read_model(path, limits or ModelFileLimits())


def test_30_fifo_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.pt")
    worker = threading.Thread(target=_refused_path, args=(tmp_path / "model.pt", "not a regular file"), daemon=True)
    worker.start()
    worker.join(5)
    assert not worker.is_alive()
    _refused_path(tmp_path / "model.pt", "not a regular file")


def test_30_no_regular_file(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    _refused_path("/dev/zero", "not a regular file")
    _refused_path(tmp_path, "not a regular file")
    _refused_path(tmp_path / "loop", "cannot be opened")
    _refused_path(tmp_path / "dangling", "cannot be opened")
    _refused_path(tmp_path / "missing.pt", "cannot be opened")
    _refused_path("nul\0byte", "cannot be opened")


def test_30_size_is_checked_before_reading(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # sparse: a terabyte that takes no space
    tracemalloc.start()
    _refused_path(path, "too many bytes", UnsafeModelError)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_30_file_that_changes_while_it_is_read(
    forge: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(forge.container(forge.network))
    status = os.fstat

    def grown(descriptor: int) -> os.stat_result:
        before = status(descriptor)
        with path.open("ab") as file:
            file.write(b"more")
        return before

    monkeypatch.setattr(os, "fstat", grown)
    _refused_path(path, "its size changed")


def test_30_the_file_is_read_once(forge: SimpleNamespace, tmp_path: Path) -> None:
    """What was audited is what is used: replacing the file afterwards changes nothing."""
    path = tmp_path / "model.pt"
    path.write_bytes(forge.container(forge.network))
    record = read_model(path)
    path.write_bytes(b"other content")
    assert record.tensors["1.num_batches_tracked"] == 7
