"""The program where it can hardly run: interrupted at once, on full disks, in places that are gone.

None of these processes gets as far as importing torch.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[1]
ENTRYPOINT = str(HOME / "entrypoint.py")
LOG_LINE = re.compile(r"error: |([-:0-9TZ]+ )?(INFO: |WARNING: evil)")
# Stands for a module of the library: the signal comes when it is imported, which then goes on as ever.
SHADOW = """
import os, signal, sys
os.kill(os.getpid(), signal.{signal})
sys.path.remove(os.path.dirname(__file__))
del sys.modules[__name__]
__import__(__name__)
"""


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """A folder in which an earlier run, about another model, has left its answer and its report."""
    folder = tmp_path / "output"
    (folder / "scratch").mkdir(parents=True)
    (folder / "result.txt").write_text("0.123456789\n")
    (folder / "scratch" / "report.json").write_text("{}")
    return folder


def options(output: Path, **other: object) -> list[str]:
    paths = {
        "model_filepath": output / "none.pt",
        "result_filepath": output / "result.txt",
        "scratch_dirpath": output / "scratch",
    }
    return [word for name, path in (paths | other).items() for word in (f"--{name}", str(path))]


def run(words: Sequence[str], **arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, ENTRYPOINT, *words], timeout=300, text=True, **arguments)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("moment", ["argparse", "logging", "secrets", "numpy"])
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_in_the_first_moments(sent: signal.Signals, moment: str, output: Path, tmp_path: Path) -> None:
    (tmp_path / "shadow").mkdir()
    (tmp_path / "shadow" / f"{moment}.py").write_text(SHADOW.format(signal=sent.name))
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "shadow"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = run(options(output), env=environment, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (130 if sent is signal.SIGINT else -sent, "", "")
    assert (output / "result.txt").read_text() == "0.5\n"
    assert not (output / "scratch" / "report.json").exists() or moment == "numpy"


def test_a_refused_model_with_a_full_or_closed_stderr(output: Path) -> None:
    reader, closed = os.pipe()
    os.close(reader)
    for stderr in (os.open("/dev/full", os.O_WRONLY), closed):
        done = run(options(output), stdout=subprocess.PIPE, stderr=stderr)
        os.close(stderr)
        assert done.returncode == 3
        assert done.stdout.startswith("REFUSED")
        assert (output / "result.txt").read_text() == "0.5\n"


def test_without_any_stderr(output: Path) -> None:
    script = 'exec "$0" "$@" 2>&-'
    done = subprocess.run(["sh", "-c", script, sys.executable, ENTRYPOINT, *options(output)], capture_output=True)
    assert done.returncode == 3
    assert done.stdout.startswith(b"REFUSED")
    assert (output / "result.txt").read_text() == "0.5\n"


@pytest.mark.parametrize("stderr", ["pipe", "file"])
def test_where_no_byte_may_be_written(stderr: str, output: Path) -> None:
    script = 'ulimit -f 0; exec "$0" "$@"' + (f" 2>{output / 'log'}" if stderr == "file" else "")
    command = ["sh", "-c", script, sys.executable, ENTRYPOINT, *options(output)]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert not (output / "result.txt").exists()
    assert not (output / "scratch" / "report.json").exists()
    assert stderr == "file" or "nothing is there that could be taken for an answer" in done.stderr


@pytest.mark.parametrize("kind", ["directory", "too long", "too deep", "in a file", "loop", "device"])
def test_a_result_path_that_can_hold_no_file(kind: str, output: Path) -> None:
    (output / "loop").symlink_to("loop")
    place = {
        "directory": output / "scratch",
        "too long": output / ("n" * 256),
        "too deep": output / "/".join(["d" * 200] * 30),
        "in a file": output / "result.txt" / "inner",
        "loop": output / "loop",
        "device": Path("/dev/full"),
    }[kind]
    done = run(options(output, result_filepath=place), capture_output=True)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and "cannot be written" in line and "free name in a writable directory" in line


@pytest.mark.parametrize("relative", [None, "model_filepath", "scratch_dirpath", "result_filepath", "examples_dirpath"])
def test_a_working_directory_that_is_deleted(relative: str | None, output: Path, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    other = {relative: "here"} if relative else {}
    script = 'cd "$0" && rmdir "$0" && exec "$@"'
    command = ["sh", "-c", script, str(tmp_path / "gone"), sys.executable, ENTRYPOINT, *options(output, **other)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    (line,) = done.stderr.splitlines()
    assert done.returncode == (2 if relative else 3)
    assert ("here: the working directory has been deleted" in line) == (relative is not None)
    if relative != "result_filepath":
        assert (output / "result.txt").read_text() == "0.5\n"


@pytest.mark.hostile
def test_a_folder_named_to_forge_the_log_of_configure(tmp_path: Path) -> None:
    member = tmp_path / "round" / "evil\nWARNING: forged\x1b[2J" / "id-00000000"
    (member / "example_data").mkdir(parents=True)
    (member / "model.pt").write_text("no model")
    (member / "ground_truth.csv").write_text("1")
    (tmp_path / "round" / "evil\rERROR: forged").mkdir()
    (tmp_path / "round" / "evil\rERROR: forged" / "model.pt").touch()
    words = ["--configure_models_dirpath", str(tmp_path / "round"), "--learned_parameters_dirpath", str(tmp_path / "l")]
    done = run(["configure", *words], capture_output=True)
    assert done.returncode == 5
    lines = done.stderr.splitlines()
    assert "forged" in done.stderr
    assert all(line.isprintable() and LOG_LINE.match(line) for line in lines)
