"""Folders for the time of a run: gone in the end, and removed by the next run where a kill has left them."""

import subprocess
import sys
from pathlib import Path

import pytest

from detector.base.temporary import remove_abandoned, run_folder

HOME = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
from pathlib import Path
from detector.base.temporary import run_folder
with run_folder(Path(sys.argv[1]), ".measuring-") as folder:
    (folder / "logits").mkdir()
    (folder / "logits" / "some.npz").write_bytes(b"x" * 1000)
    print(folder, flush=True)
    sys.stdin.read()
"""


def held(parent: Path) -> tuple[subprocess.Popen[str], Path]:
    """A process that is in the middle of its run, and its folder."""
    command = [sys.executable, "-c", PROGRAM, str(parent)]
    process = subprocess.Popen(command, cwd=HOME, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


@pytest.mark.parametrize("fault", [None, RuntimeError, KeyboardInterrupt])
def test_gone_in_the_end(fault: type[BaseException] | None, tmp_path: Path) -> None:
    try:
        with run_folder(tmp_path, ".measuring-") as folder:
            assert folder.parent == tmp_path and folder.name.startswith(".measuring-")
            (folder / "file").touch()
            if fault is not None:
                raise fault
    except (RuntimeError, KeyboardInterrupt) as error:
        assert type(error) is fault
    assert list(tmp_path.iterdir()) == []


def test_what_a_kill_has_left_goes_and_what_is_in_use_stays(tmp_path: Path) -> None:
    (dead, left), (alive, used) = held(tmp_path), held(tmp_path)
    try:
        dead.kill()
        dead.wait()
        assert left.exists()
        with run_folder(tmp_path, ".measuring-") as folder:
            assert sorted(tmp_path.iterdir()) == sorted([used, folder])
            assert (used / "logits" / "some.npz").exists()
        assert alive.communicate("")[0] == ""
        assert alive.returncode == 0
    finally:
        for process in (dead, alive):
            process.kill()
            process.communicate()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.hostile
def test_nothing_but_folders_of_that_name_is_removed(tmp_path: Path) -> None:
    for folder in ("learned/configured", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "keep").touch()
    (tmp_path / "learned" / ".measuring-link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "learned" / ".measuring-file").touch()
    (tmp_path / "learned" / ".measuring-old").mkdir()
    (tmp_path / "learned" / ".measuring-old" / "link").symlink_to(tmp_path / "elsewhere")
    remove_abandoned(tmp_path / "learned", ".measuring-")
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert left == {
        *("learned", "learned/configured", "learned/configured/keep", "elsewhere", "elsewhere/keep"),
        *("learned/.measuring-link", "learned/.measuring-file"),
    }


def test_a_place_that_can_hold_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError), run_folder(tmp_path / "none", ".measuring-"):
        pass
