"""The quick part of `make fuzz`, and that the fuzzer finds what is there to be found."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from reliability.fuzz import fuzz
from reliability.mutations import Change, Edit, mutated
from reliability.targets import Target, targets
from reliability.watch import watching

NAMES = [
    *("model file, zip", "model file, legacy", "model file, pickle in a whole zip", "model file, safetensors"),
    *("image, PNG", "image, JPEG", "JSON", "learned parameters", "metaparameters", "METADATA.csv", "ground_truth.csv"),
]


@pytest.mark.hostile
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_found(name: str, tmp_path: Path) -> None:
    (target,) = (one for one in targets(tmp_path) if one.name == name)
    outcome = fuzz(target, 60, 1, tmp_path)
    assert outcome.found == ""
    assert outcome.cases >= 60


def test_every_reader_has_its_test(tmp_path: Path) -> None:
    assert [target.name for target in targets(tmp_path)] == NAMES


def _accepts(fault: Callable[[bytes], object]) -> Callable[[bytes], bool]:
    def accepts(content: bytes) -> bool:
        if content != b"good file":
            fault(content)
        return True

    return accepts


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (lambda content: content.index(b"good"), "ValueError"),
        (lambda content: subprocess.run(["true"], check=True), "subprocess.Popen"),
        (lambda content: socket.socket().close(), "socket."),
        (lambda content: Path("/proc/none").write_bytes(content), "did something|FileNotFound"),
        (lambda content: __import__("this_module_is_nowhere"), "import|ModuleNotFound"),
    ],
)
def test_faults_are_found(fault: Callable[[bytes], object], told: str, tmp_path: Path) -> None:
    outcome = fuzz(Target("broken", (b"good file",), _accepts(fault)), 50, 0, tmp_path)
    assert any(word in outcome.found for word in told.split("|")), outcome.found


def test_what_is_done_in_the_folder_is_allowed_and_elsewhere_is_seen(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    with watching(tmp_path / "inside") as seen:
        (tmp_path / "inside" / "file").write_text("x")
        (tmp_path / "inside" / "file").read_text()
    assert seen.events == []
    with watching(tmp_path / "inside") as seen:
        (tmp_path / "outside").write_text("x")
        os.rename(tmp_path / "outside", tmp_path / "further")  # noqa: PTH104
    assert [event.split()[0] for event in seen.events] == ["open", "os.rename"]
    (tmp_path / "further").write_text("not watched")
    assert len(seen.events) == 2


@pytest.mark.parametrize("edit", Edit)
def test_every_edit_changes_something_and_stays_in_bounds(edit: Edit) -> None:
    content = bytes(range(40))
    for place in (0.0, 0.5, 0.99):
        assert mutated(content, [Change(edit, place, 0.2, 77)], (b"word",)) != content
        mutated(b"", [Change(edit, place, 0.2, 77)])
