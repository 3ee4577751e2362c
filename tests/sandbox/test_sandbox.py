"""The sandbox: what a child cannot do, how its end is told, and that the parent believes nothing of what it says."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.base.limits import ChildLimits
from detector.sandbox import starting
from detector.sandbox.sandbox import ChildFailedError, ChildFaultError, Sandbox, SandboxUnavailableError
from detector.sandbox.shared import share_bytes, share_file
from tests.sandbox.jobs import ATTEMPT, ATTEMPTS, ECHO, END, ENDS, FAULT

JOBS = (ECHO, FAULT, ATTEMPT, END)
SMALL = ChildLimits(memory_bytes=256 << 20, cpu_seconds=2, header_bytes=1 << 20, wall_seconds=60.0)
# Without a filter of system calls these are left to the limits, which do not forbid them.
ONLY_FILTERED = {
    *("make a folder", "remove a file", "rename a file", "link a file", "stat a file", "start a thread"),
    *("kill its parent", "change its group", "change its user", "change folder", "map executable memory", "execute"),
}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(JOBS, SMALL) as made:
        yield made


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.hostile
def test_a_child_can_only_compute(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"x")
    with sandbox.session("attempts", {"folder": str(tmp_path)}) as session:
        outcomes = session.receive().header
    assert outcomes.keys() == ATTEMPTS.keys()
    possible = ONLY_FILTERED if sandbox.missing else set()
    assert {name for name, outcome in outcomes.items() if outcome == "done"} <= possible
    assert [path.name for path in tmp_path.iterdir()] == ["kept"] or sandbox.missing


@pytest.mark.hostile
@pytest.mark.parametrize("how", ENDS)
def test_every_end_of_a_child_is_told_and_the_next_one_works(how: str, sandbox: Sandbox) -> None:
    with pytest.raises(ChildFailedError) as told, sandbox.session("end", {"how": how}) as session:
        session.receive()
    assert told.value.what.isprintable()
    assert told.value.next_step
    with sandbox.session("echo", {}) as session:
        assert session.ask({"a": 1}).header["heard"] == {"a": 1}


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("burns time", "more than 2 s of processor time"),
        ("eats memory", "more than 256 MB of memory"),
        ("asks for all memory", "more than 256 MB of memory"),
        ("crashes", "crashed (SIGSEGV)"),
        ("aborts", "crashed (SIG"),
        ("exits", "ended without an answer"),
        ("has a huge header", "answered nonsense"),
        ("has a huge block", "answered nonsense"),
        ("is no JSON", "answered nonsense"),
    ],
)
def test_the_error_says_what_happened(how: str, words: str, sandbox: Sandbox) -> None:
    with pytest.raises(ChildFailedError) as told, sandbox.session("end", {"how": how}) as session:
        session.receive()
    assert words in told.value.what


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSYS, signal.SIGBUS])
def test_a_child_that_others_kill_is_told(number: signal.Signals, sandbox: Sandbox) -> None:
    with pytest.raises(ChildFailedError, match="killed" if number == signal.SIGKILL else number.name):  # noqa: SIM117
        with sandbox.session("echo", {}) as session:
            nursery = sandbox._nursery.process
            (child,) = Path(f"/proc/{nursery}/task/{nursery}/children").read_text().split()
            os.kill(int(child), number)
            session.ask({})


def test_a_child_that_says_nothing_is_killed_in_time() -> None:
    patient = ChildLimits(cpu_seconds=60, wall_seconds=0.5)
    with Sandbox(JOBS, patient) as sandbox:
        began = time.monotonic()
        with (
            pytest.raises(ChildFailedError, match="no answer"),
            sandbox.session("end", {"how": "burns time"}) as session,
        ):
            session.receive()
        assert time.monotonic() - began < 30
        assert not sandbox.usable


def test_a_fault_of_ours_is_no_fault_of_the_file(sandbox: Sandbox) -> None:
    with pytest.raises(ChildFaultError) as told, sandbox.session("fault", {}) as session:
        session.receive()
    assert str(told.value).startswith("KeyError")
    assert str(told.value).isprintable()


@pytest.mark.parametrize("size", [0, 1, 70_000, 5_000_001])
def test_messages_come_back_as_they_were(size: int, sandbox: Sandbox) -> None:
    block = os.urandom(size)
    with sandbox.session("echo", {}) as session:
        for number in range(3):
            answer = session.ask({"number": number, "text": "\ud800é\x00"}, [block, b""], size)
            assert answer.header["heard"] == {"number": number, "text": "\ud800é\x00"}
            assert answer.blocks == (block, b"")


def test_shared_content_reaches_the_child_and_nobody_can_change_it(sandbox: Sandbox) -> None:
    shared = share_bytes(b"x" * 100_000)
    with sandbox.session("echo", {}, shared) as session:
        assert session.ask({}).header["content"] == 100_000
    for change in (lambda: os.write(shared.descriptor, b"y"), lambda: os.ftruncate(shared.descriptor, 1)):
        with pytest.raises(PermissionError):
            change()
    with pytest.raises(TypeError):
        shared.content[0] = 1
    shared.close()
    assert bytes(shared.content[:2]) == b"xx"


def test_a_file_is_shared_as_it_is(tmp_path: Path) -> None:
    content = os.urandom(1_000_003)
    (tmp_path / "file").write_bytes(content)
    with (tmp_path / "file").open("rb") as file:
        shared = share_file(file.fileno(), len(content) + 1)
    assert bytes(shared.content) == content
    shared.close()


def test_sessions_leave_no_descriptor_and_no_process(sandbox: Sandbox) -> None:
    def one() -> None:
        with sandbox.session("echo", {}) as session:
            session.ask({})

    one()
    gc.collect()
    before = descriptors()
    for _ in range(20):
        one()
    assert descriptors() == before
    children = Path(f"/proc/{sandbox._nursery.process}/task/{sandbox._nursery.process}/children")
    assert not children.exists() or not children.read_text().split()


def test_closing_ends_its_process() -> None:
    sandbox = Sandbox(JOBS, SMALL)
    process = sandbox._nursery.process
    sandbox.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_sandbox_whose_process_is_gone_says_so() -> None:
    with Sandbox(JOBS, SMALL) as sandbox:
        sandbox.kill()
        with pytest.raises(ChildFailedError, match="gone"), sandbox.session("echo", {}) as session:
            session.ask({})
        assert not sandbox.usable


def test_threads_take_turns(sandbox: Sandbox) -> None:
    heard: list[int] = []

    def ask(number: int) -> None:
        with sandbox.session("echo", {}) as session:
            heard.append(session.ask({"number": number}).header["heard"]["number"])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(heard) == list(range(8))


CODE = """
import os, sys, time
from tests.sandbox.jobs import ECHO
from detector.sandbox.sandbox import Sandbox
sandbox = Sandbox([ECHO])
with sandbox.session("echo", {}) as session:
    session.ask({})
    print(sandbox._nursery.process, flush=True)
    time.sleep(60)
"""


def test_a_killed_parent_takes_its_children_along() -> None:
    path = os.pathsep.join(sys.path)
    parent = subprocess.Popen(
        [sys.executable, "-c", CODE], stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path}
    )
    assert parent.stdout is not None
    with parent.stdout:
        nursery = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    for _ in range(100):
        if not Path(f"/proc/{nursery}").exists() or " Z " in Path(f"/proc/{nursery}/stat").read_text():
            return
        time.sleep(0.1)
    pytest.fail("the process that starts parsers outlives its parent")


@pytest.mark.parametrize("start", [starting._forked, starting._anew])
def test_both_ways_to_start_give_the_same(start: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "_may_fork", lambda: start is starting._forked)
    with Sandbox((ECHO, END), SMALL) as sandbox:
        with sandbox.session("echo", {}) as session:
            assert session.ask({"a": 1}, [b"x"], 1).blocks == (b"x",)
        with pytest.raises(ChildFailedError, match="SIGSEGV"), sandbox.session("end", {"how": "crashes"}) as session:
            session.receive()


def test_no_fork_beside_threads() -> None:
    assert starting._may_fork() == (threading.active_count() == 1 and "torch" not in sys.modules)
    thread = threading.Thread(target=time.sleep, args=(0.5,))
    thread.start()
    assert not starting._may_fork()
    thread.join()


@pytest.mark.parametrize("error", [BlockingIOError(11, "Resource temporarily unavailable"), OSError(12, "no memory")])
def test_where_no_process_is_to_be_had_the_reason_is_told(error: OSError, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise error

    monkeypatch.setattr(starting, "_forked", refused)
    monkeypatch.setattr(starting, "_anew", refused)
    with pytest.raises(SandboxUnavailableError, match=error.strerror):
        Sandbox(JOBS)


def test_a_system_without_shared_memory_has_no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    with pytest.raises(SandboxUnavailableError, match=sys.platform):
        Sandbox(JOBS)
