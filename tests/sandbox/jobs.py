"""Jobs that misbehave, for the tests of the sandbox: what a parser in the hand of a file could try."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from detector.sandbox.job import Job
from detector.sandbox.message import Channel, Header, Sizes


def _outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except (OSError, RuntimeError, ValueError) as error:
        return f"{type(error).__name__}"
    return "done"


def _executable_memory() -> None:
    import mmap

    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)


ATTEMPTS: dict[str, Callable[[Path], object]] = {
    "open a file": lambda folder: Path("/etc/hostname").read_bytes(),
    "write a file": lambda folder: (folder / "written").write_bytes(b"x"),
    "make a folder": lambda folder: (folder / "made").mkdir(),
    "list a folder": lambda folder: [*Path("/").iterdir()],
    "remove a file": lambda folder: (folder / "kept").unlink(),
    "rename a file": lambda folder: (folder / "kept").rename(folder / "moved"),
    "link a file": lambda folder: (folder / "link").symlink_to("/etc/hostname"),
    "stat a file": lambda folder: Path("/etc/hostname").stat(),
    "open a socket": lambda folder: socket.socket(socket.AF_INET),
    "connect two sockets": lambda folder: socket.socketpair(),
    "make a pipe": lambda folder: os.pipe(),
    "fork": lambda folder: os.fork() or os._exit(0),
    "execute": lambda folder: os.execv("/bin/true", ["true"]),
    "start a thread": lambda folder: threading.Thread(target=time.sleep, args=(0,)).start(),
    "kill its parent": lambda folder: os.kill(os.getppid(), signal.SIGKILL),
    "change its group": lambda folder: os.setpgid(0, 0),
    "change its user": lambda folder: os.setuid(1),
    "change folder": lambda folder: os.chdir("/"),
    "map executable memory": lambda folder: _executable_memory(),
    "raise its limits": lambda folder: __import__("resource").setrlimit(7, (100, 100)),
}


def _serve_attempts(arguments: Header, content: memoryview, channel: Channel) -> None:
    folder = Path(arguments["folder"])
    channel.send({name: _outcome(partial(attempt, folder)) for name, attempt in ATTEMPTS.items()})


def _burn(channel: Channel) -> None:
    while True:
        pass


def _eat(channel: Channel) -> None:
    held = []
    while True:
        held.append(bytearray(1 << 24))


def _hold(channel: Channel) -> None:
    bytearray(1 << 40)


def _crash(channel: Channel) -> None:
    import ctypes

    ctypes.string_at(0)


def _big_header(channel: Channel) -> None:
    os.write(channel._descriptor, b"PTD1" + (1 << 31).to_bytes(4, "little") + (0).to_bytes(4, "little"))


def _send(raw: bytes) -> Callable[[Channel], None]:
    return lambda channel: (os.write(channel._descriptor, raw), None)[1]


def _frame(text: bytes, *lengths: int) -> bytes:
    head = b"PTD1" + len(text).to_bytes(4, "little") + len(lengths).to_bytes(4, "little")
    return head + b"".join(length.to_bytes(8, "little") for length in lengths) + text


ENDS: dict[str, Callable[[Channel], None]] = {
    "burns time": _burn,
    "eats memory": _eat,
    "asks for all memory": _hold,
    "crashes": _crash,
    "aborts": lambda channel: os.abort(),
    "exits": lambda channel: os._exit(0),
    "exits with 3": lambda channel: os._exit(3),
    "stops in a frame": _send(b"PT"),
    "has another magic": _send(b"\x80\x04K\x01." + bytes(40)),
    "has a huge header": _big_header,
    "has many blocks": _send(b"PTD1" + (2).to_bytes(4, "little") + (1 << 30).to_bytes(4, "little")),
    "has a huge block": _send(_frame(b"{}", 1 << 62)),
    "has blocks that were not asked for": _send(_frame(b"{}", 1) + b"x"),
    "is no JSON": _send(_frame(b"(lp0")),
    "is no ASCII": _send(_frame(b'{"a": "\xff"}')),
    "is no object": _send(_frame(b"[1]")),
    "repeats a key": _send(_frame(b'{"a": 1, "a": 2}')),
    "has NaN": _send(_frame(b'{"a": NaN}')),
    "is nested deeply": _send(_frame(b"[" * 100_000)),
    "has a huge number": _send(_frame(b'{"a": ' + b"9" * 10_000 + b"}")),
}


def _serve_end(arguments: Header, content: memoryview, channel: Channel) -> None:
    ENDS[arguments["how"]](channel)


def _serve_fault(arguments: Header, content: memoryview, channel: Channel) -> None:
    raise KeyError("evil\nline\x1b[2J")


def _serve_echo(arguments: Header, content: memoryview, channel: Channel) -> None:
    while True:
        message = channel.receive(Sizes(1 << 20, 1 << 26))
        channel.send({"heard": message.header, "content": content.nbytes}, message.blocks)


def _prepare() -> None:
    pass


ECHO = Job("echo", _serve_echo, _prepare)
FAULT = Job("fault", _serve_fault, _prepare)
ATTEMPT = Job("attempts", _serve_attempts, _prepare)
END = Job("end", _serve_end, _prepare)
