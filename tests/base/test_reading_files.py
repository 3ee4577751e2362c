"""The door for reading: what is no regular file, or too large, is refused at once and without a byte of it read."""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from detector.base.errors import ExitCode, UnreadableFileError
from detector.base.files import read_regular, read_start


@pytest.mark.parametrize("content", [b"", b"a", bytes(range(256)) * 4])
def test_the_content_is_read_whole(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    assert read_regular(tmp_path / "file", 1024) == content
    assert read_start(tmp_path / "file", 1) == content[:1]
    assert read_start(tmp_path / "file", 5000) == content


def test_the_limit_is_the_largest_that_passes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_regular(tmp_path / "file", 5) == b"12345"
    with pytest.raises(UnreadableFileError, match=r"more than 4 bytes \(5\)"):
        read_regular(tmp_path / "file", 4)


def test_links_to_regular_files_are_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "near").symlink_to("file")
    (tmp_path / "far").symlink_to(tmp_path / "near")
    assert read_regular(tmp_path / "far", 100) == b"content"


def test_files_of_the_kernel_that_have_no_size_are_read(tmp_path: Path) -> None:
    assert read_regular(Path("/proc/self/cmdline"), 10**6)
    with pytest.raises(UnreadableFileError, match="more than 1 bytes"):
        read_regular(Path("/proc/self/cmdline"), 1)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 3 * 2**30)


IRREGULAR: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "No such file"),
    "directory": (lambda path: path.mkdir(), "a directory"),
    "FIFO": (os.mkfifo, "a FIFO"),
    "socket": (_socket, "cannot be read"),
    "endless device": (lambda path: path.symlink_to("/dev/zero"), "a device"),
    "empty device": (lambda path: path.symlink_to("/dev/null"), "a device"),
    "dangling link": (lambda path: path.symlink_to("nowhere"), "No such file"),
    "loop of links": (lambda path: path.symlink_to(path.name), "symbolic links"),
    "link to a directory": (lambda path: path.symlink_to("."), "a directory"),
    "sparse": (_sparse, r"more than 1000 bytes \(3221225472\)"),
}


@pytest.mark.hostile
@pytest.mark.parametrize("kind", IRREGULAR)
def test_everything_else_is_refused_at_once(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    make, reason = IRREGULAR[kind]
    make(tmp_path / "file")
    began = time.monotonic()
    with pytest.raises(UnreadableFileError, match=reason) as caught:
        read_regular(tmp_path / "file", 1000)
    assert time.monotonic() - began < 1
    assert caught.value.exit_code is ExitCode.USAGE
    assert "cp -L" in caught.value.next_step or kind == "sparse"


@pytest.mark.hostile
@pytest.mark.parametrize("name", ["a\0b", "x" * 5000])
def test_paths_that_no_system_takes(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="cannot be read"):
        read_start(tmp_path / name, 1)


@pytest.mark.hostile
def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_bytes(b"12345")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for path, limit in ((tmp_path / "fifo", 9), (tmp_path / "file", 2), (tmp_path / "file", 9), (tmp_path, 9)):
        try:
            read_regular(path, limit)
        except UnreadableFileError:
            continue
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_file_that_shrinks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    fstat = os.fstat

    def then_cut(descriptor: int) -> os.stat_result:
        status = fstat(descriptor)
        os.truncate(path, 2)
        return status

    monkeypatch.setattr("detector.base.files.os.fstat", then_cut)
    with pytest.raises(UnreadableFileError, match="its size changed"):
        read_regular(path, 100)
