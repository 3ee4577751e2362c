"""The result file: what the harness reads, and that no failure and no kill ever leaves part of an answer."""

import errno
import math
import os
import re
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.base.errors import ExitCode, UsageError
from detector.base.files import NEUTRAL, write_file, write_probability


def _as_the_harness_reads(path: Path) -> float:
    with path.open() as file:
        return float(file.readline().strip())


@given(st.floats(0, 1))
def test_the_number_survives(tmp_path_factory: pytest.TempPathFactory, probability: float) -> None:
    path = tmp_path_factory.getbasetemp() / "survives" / "result.txt"
    write_probability(path, probability)
    assert _as_the_harness_reads(path) == probability


def test_numpy_numbers_are_written_as_numbers(tmp_path: Path) -> None:
    write_probability(tmp_path / "result", np.float64(0.25))
    assert (tmp_path / "result").read_text() == "0.25\n"


@pytest.mark.parametrize("probability", [math.nan, math.inf, -math.inf, -0.001, 1.001])
def test_only_probabilities(tmp_path: Path, probability: float) -> None:
    with pytest.raises(ValueError, match="probability"):
        write_probability(tmp_path / "result", probability)
    assert not (tmp_path / "result").exists()


@pytest.mark.parametrize("name", ["result.txt", "with blanks\N{SNOWMAN}.txt", "deep/er/result", "x" * 255, "-rf"])
def test_names_and_missing_parents(tmp_path: Path, name: str) -> None:
    write_probability(tmp_path / name, NEUTRAL)
    assert _as_the_harness_reads(tmp_path / name) == 0.5
    assert os.listdir((tmp_path / name).parent) == [Path(name).name]  # noqa: PTH208


def test_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_probability(Path("output"), 0.75)
    write_probability(Path("./a b/../output2"), 0.25)
    assert _as_the_harness_reads(tmp_path / "output") == 0.75
    assert _as_the_harness_reads(tmp_path / "output2") == 0.25


def test_an_old_answer_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "result"
    path.write_text("0.123456789\nsecond line\n")
    path.chmod(0o444)
    write_probability(path, 0.5)
    assert path.read_text() == "0.5\n"


def test_others_may_read_it(tmp_path: Path) -> None:
    umask = os.umask(0o022)
    try:
        write_probability(tmp_path / "result", 0.5)
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "result").stat().st_mode) == 0o644


def test_links_stay_and_their_targets_change(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    for target in ("elsewhere/old", "elsewhere/new"):
        link = tmp_path / Path(target).name
        link.symlink_to(tmp_path / target)
        if target.endswith("old"):
            (tmp_path / target).write_text("0.9\n")
        write_probability(link, 0.5)
        assert link.is_symlink()
        assert (tmp_path / target).read_text() == "0.5\n"


def _refused(path: Path) -> None:
    with pytest.raises(UsageError, match=re.escape(str(path))) as caught:
        write_probability(path, 0.5)
    assert caught.value.exit_code is ExitCode.USAGE


def test_places_that_cannot_hold_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for place in (".", "file/result", "pipe", "x" * 256, "loop"):
        _refused(tmp_path / place)
    _refused(Path("/dev/null"))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "loop", "pipe"]
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_read_only_directory(tmp_path: Path) -> None:
    (tmp_path / "result").write_text("0.123456\n")
    tmp_path.chmod(0o555)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("this user may write anywhere")
    write_probability(tmp_path / "result", 0.5)
    assert (tmp_path / "result").read_text() == "0.5\n"
    _refused(tmp_path / "other")


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EXDEV, errno.EPERM])
@pytest.mark.parametrize(("old", "new"), [("0.123456789\n", 0.5), ("0.5\n", 0.123456789), ("", 0.5)])
def test_a_mounted_file_is_overwritten_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, old: str, new: float
) -> None:
    path = tmp_path / "result"
    path.write_text(old)
    inode = path.stat().st_ino

    def refuse(self: Path, target: Path) -> Path:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "replace", refuse)
    write_probability(path, new)
    assert path.read_text() == f"{new}\n"
    assert path.stat().st_ino == inode
    assert [entry.name for entry in tmp_path.iterdir()] == ["result"]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_closed_directory_with_an_open_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """As above for users whom no mode stops: here no name can be made in the directory."""
    (tmp_path / "result").write_text("0.123456\n")

    def refuse(path: Path, *_: object) -> int:
        raise OSError(number, os.strerror(number), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        write_probability(tmp_path / "result", 0.5)
        _refused(tmp_path / "other")
    assert (tmp_path / "result").read_text() == "0.5\n"


def _has_mount_rights() -> bool:
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _has_mount_rights(), reason="may not make a mount namespace")
def test_a_really_mounted_file(tmp_path: Path) -> None:
    """What `podman run -v result.txt:/work/result.txt` does."""
    (tmp_path / "host").write_text("0.123456789\n")
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "result").touch()
    program = "from detector.base.files import *; write_probability(Path('place/result'), 0.5)"
    script = f'mount --bind host place/result && "{sys.executable}" -c "{program}"'
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run(["unshare", "--mount", "sh", "-c", script], check=True, cwd=tmp_path, env=environment)
    assert (tmp_path / "host").read_text() == "0.5\n"
    assert [entry.name for entry in (tmp_path / "place").iterdir()] == ["result"]


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE)


@pytest.mark.parametrize("number", _FULL)
def test_without_room_for_a_new_file_the_line_is_written_over_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    (tmp_path / "result").write_text("0.123456789\n")
    inode = (tmp_path / "result").stat().st_ino

    def full(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "replace", full)
    write_probability(tmp_path / "result", 0.5)
    assert (tmp_path / "result").read_text() == "0.5\n"
    assert (tmp_path / "result").stat().st_ino == inode
    assert [entry.name for entry in tmp_path.iterdir()] == ["result"]


@pytest.mark.parametrize("number", _FULL)
@pytest.mark.parametrize("old", [None, "0.9\n", "0.5\n", ""])
def test_where_nothing_can_be_written_no_old_answer_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, old: str | None
) -> None:
    path = tmp_path / "result"
    if old is not None:
        path.write_text(old)

    def full(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match=re.escape(str(path))) as caught:
        write_probability(path, 0.25)
    left = {entry.name: entry.read_text() for entry in tmp_path.iterdir()}
    assert left in ({}, {"result": ""}, {"result": "0.5\n"})
    assert old != "0.5\n" or left == {} or left == {"result": "0.5\n"}
    words = {"0.9\n": "removed", "0.5\n": "removed", "": "nothing is there", None: "nothing is there"}
    assert words[old] in str(caught.value)


def _limited(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a program that may write no byte to any file."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1"}
    command = ["sh", "-c", f'ulimit -f 0; exec "{sys.executable}" -c "$0"', script]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_where_no_byte_may_be_written_the_old_answer_is_removed(tmp_path: Path) -> None:
    (tmp_path / "result").write_text("0.123456789\n")
    done = _limited("from detector.base.files import *; write_probability(Path('result'), 0.5)", tmp_path)
    assert "the old answer is removed" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not _has_mount_rights(), reason="may not make a mount namespace")
@pytest.mark.parametrize("old", ["0.123456789\n", "0.5\n", "0.9\n"])
def test_on_a_disk_that_is_really_full(tmp_path: Path, old: str) -> None:
    """A file system of one page more than it holds: no new file finds room, but the old line can be written over."""
    program = "from detector.base.files import *; write_probability(Path('disk/result'), 0.25)"
    (tmp_path / "disk").mkdir()
    script = (
        'mount -t tmpfs -o size=64k,nr_inodes=100 none disk && printf %s "$OLD" > disk/result && '
        f'{{ cat /dev/zero > disk/filling 2>/dev/null; "{sys.executable}" -c "{program}"; '
        "ls -A disk; cat disk/result; }"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OLD": old}
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.stdout == "filling\nresult\n0.25\n", done.stderr


def test_an_interrupt_leaves_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_probability(tmp_path / "result", 0.5)
    assert list(tmp_path.iterdir()) == []


_WRITER = """
import sys
from pathlib import Path
from detector.base import files as answer
if sys.argv[2] == "in place":
    def refuse(target, content):
        raise OSError(16, "busy")
    answer._replace = refuse
print("ready", flush=True)
while True:
    answer.write_probability(Path(sys.argv[1]), 0.5)
    answer.write_probability(Path(sys.argv[1]), 0.123456789012345)
"""


@pytest.mark.parametrize("way", ["replaced", "in place"])
def test_a_killed_writer_never_leaves_part_of_an_answer(tmp_path: Path, way: str) -> None:
    path = tmp_path / "result"
    path.write_text("0.5\n")
    for attempt in range(12):
        with subprocess.Popen([sys.executable, "-c", _WRITER, str(path), way], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            seen = {path.read_text().partition("\n")[0] for _ in range(200)}  # nor does a reader ever see one
            time.sleep(0.003 * attempt)
            writer.kill()
        seen.add(path.read_text().partition("\n")[0])
        assert seen <= {"0.5", "0.123456789012345"}


_STOPPED = """
import os, sys, time
from pathlib import Path
from detector.base import files
def stop(*_):
    print("stopped", flush=True)
    time.sleep(600)
os.fsync = stop
files.write_probability(Path(sys.argv[1]), 0.25)
"""


def _in_the_middle(path: Path) -> subprocess.Popen[bytes]:
    """A process that has begun to write an answer."""
    process = subprocess.Popen([sys.executable, "-c", _STOPPED, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_what_a_killed_writer_has_left_goes_with_the_next_answer(tmp_path: Path) -> None:
    """What others are writing, and what is somebody else's, stays."""
    killed, other, alive = (_in_the_middle(tmp_path / name) for name in ("result", "other", "result"))
    try:
        for process in (killed, other):
            process.kill()
            process.wait()
        (tmp_path / ".mine.tmp").touch()
        assert len(list(tmp_path.iterdir())) == 4
        write_probability(tmp_path / "result", 0.5)
        names = {entry.name for entry in tmp_path.iterdir()}
        assert {"result", ".mine.tmp"} < names and len(names) == 4
        alive.kill()
        alive.wait()
        write_probability(tmp_path / "result", 0.5)
        assert len(list(tmp_path.iterdir())) == 3
        write_probability(tmp_path / "other", 0.5)
        assert {entry.name for entry in tmp_path.iterdir()} == {"result", "other", ".mine.tmp"}
    finally:
        for process in (killed, other, alive):
            process.kill()
            process.communicate()


def test_other_files_are_written_the_same_way(tmp_path: Path) -> None:
    content = os.urandom(300_000)
    write_file(tmp_path / "report.json", content)
    write_file(tmp_path / "report.json", content[:1000])
    assert (tmp_path / "report.json").read_bytes() == content[:1000]
