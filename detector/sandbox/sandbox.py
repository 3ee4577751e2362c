"""The parent's side: asks a confined child to parse, and believes nothing of what it answers.

A child has one file, or the images of one folder, and no way to anything else. Whatever a file does to the code that
parses it, to memory or to the processor, ends with that child; here it becomes an error that says so.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType

from detector.base.limits import LIMITS, ChildLimits
from detector.base.text import printable
from detector.sandbox.job import Job
from detector.sandbox.message import Channel, EndOfMessagesError, Header, Message, MessageError, Sizes
from detector.sandbox.nursery import OUT_OF_MEMORY, request_bytes
from detector.sandbox.shared import SharedBytes
from detector.sandbox.starting import Nursery, start_nursery

_MOST_STATUS = 4096  # bytes
_AGAIN = "run it again; where it happens again, the file does it: use it nowhere else"
_REPORT = "use this file nowhere else, and report it (SECURITY.md)"


class SandboxUnavailableError(Exception):
    """This system, or what is left of its resources, has no confined children; the text says why."""


class ChildFaultError(RuntimeError):
    """The code in the child has failed in a way that nobody foresaw: a fault of ours."""


class ChildFailedError(Exception):
    """A child has died, or answered what it could not have answered in its right mind.

    `what` happened and what to do next, for whoever knows which file it was.
    """

    def __init__(self, what: str, next_step: str) -> None:
        super().__init__(what, next_step)
        self.what = what
        self.next_step = next_step


class Sandbox:
    """Confined children for some kinds of jobs, one at a time; a context manager, or `close` it.

    `missing` says, after the first child, what the kernel could not confine it by; None where nothing is missing.
    `usable` is False once it has lost its processes.

    Raises
    ------
    SandboxUnavailableError
        There is none on this system, or no process for it.
    """

    def __init__(self, jobs: Sequence[Job], limits: ChildLimits = LIMITS.child) -> None:
        self.limits = limits
        self.missing: str | None = None
        self.usable = True
        self._one_at_a_time = threading.Lock()
        if not (hasattr(os, "memfd_create") and hasattr(os, "fork")):
            raise SandboxUnavailableError(f"not known for {sys.platform}")
        try:
            self._nursery: Nursery = start_nursery(jobs)
        except OSError as error:
            raise SandboxUnavailableError(f"no process for it ({error.strerror})") from error

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End its processes, and wait for that."""
        self.usable = False
        self._nursery.close()

    @contextmanager
    def session(self, job: str, arguments: Header, content: SharedBytes | None = None) -> Iterator[Session]:
        """A child for as long as the block lasts.

        Raises
        ------
        ChildFailedError
            It could not be started, or died in the block.
        """
        with self._one_at_a_time:
            session = Session(self, self._asked(job, arguments, content))
            try:
                self.missing = session.greeting()
                yield session
            finally:
                session.end()

    def _asked(self, job: str, arguments: Header, content: SharedBytes | None) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            handed = [theirs.fileno(), *([content.descriptor] if content else [])]
            try:
                socket.send_fds(self._nursery.control, [request_bytes(job, arguments, self.limits)], handed)
            except OSError:
                ours.close()
                raise self.lost() from None
        return ours

    def status(self) -> int:
        """How the child has ended, as of wait(2), once its session is closed; waits for that."""
        try:
            return int(json.loads(self._nursery.control.recv(_MOST_STATUS))["status"])
        except (OSError, ValueError):
            raise self.lost() from None

    def kill(self) -> None:
        """End the child in the middle of its work, and with it all of this sandbox."""
        self.usable = False
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._nursery.process, signal.SIGKILL)  # the kernel kills the child with it

    def lost(self) -> ChildFailedError:
        """The error for a sandbox without its processes."""
        self.usable = False
        return ChildFailedError("the process that starts the parsers is gone: killed, or out of memory", "run it again")


class Session:
    """The talk with one child."""

    def __init__(self, sandbox: Sandbox, socket_: socket.socket) -> None:
        self._sandbox = sandbox
        self._limits = sandbox.limits
        self._socket = socket_
        self._channel = Channel(socket_.fileno(), sandbox.limits.wall_seconds)
        self._ended = False
        self._status: int | None = None

    def greeting(self) -> str | None:
        """What the child could not be confined by."""
        missing = self.receive().header.get("missing")
        return None if missing is None else printable(missing)

    def ask(self, header: Header, blocks: Sequence[bytes | memoryview] = (), most: int = 0) -> Message:
        """Send a message and receive the answer, with at most so many bytes in blocks; errors as of `receive`."""
        try:
            self._channel.send(header, blocks)
        except EndOfMessagesError:
            raise self._failed() from None
        except TimeoutError:
            raise self._stuck() from None
        return self.receive(most)

    def receive(self, most: int = 0) -> Message:
        """The next message of the child, with at most so many bytes in blocks.

        Raises
        ------
        ChildFailedError
            There is none, or none that can be read.
        ChildFaultError
            It tells of a fault of our own code in it.
        """
        try:
            message = self._channel.receive(Sizes(self._limits.header_bytes, most))
        except EndOfMessagesError:
            raise self._failed() from None
        except TimeoutError:
            raise self._stuck() from None
        except MessageError as error:
            raise self.nonsense(str(error)) from error
        if "fault" in message.header:
            raise ChildFaultError(printable(message.header["fault"]))
        return message

    def nonsense(self, what: str) -> ChildFailedError:
        """The error for an answer that no parser of ours could have given."""
        return ChildFailedError(f"the process that read it answered nonsense: {printable(what)}", _REPORT)

    def end(self) -> None:
        """Let the child go, and wait for its end."""
        self._socket.close()
        if not self._ended and self._sandbox.usable:
            self._ended = True
            self._status = self._sandbox.status()

    def _failed(self) -> ChildFailedError:
        try:
            self.end()
        except ChildFailedError as error:
            return error
        return self._sandbox.lost() if self._status is None else ending(self._status, self._limits)

    def _stuck(self) -> ChildFailedError:
        self._sandbox.kill()
        return ChildFailedError(f"the process that read it gave no answer for {self._limits.wall_seconds:g} s", _AGAIN)


def ending(status: int, limits: ChildLimits) -> ChildFailedError:
    """The error for a child that ended without an answer, by its status as of wait(2)."""
    if not os.WIFSIGNALED(status):
        if os.waitstatus_to_exitcode(status) == OUT_OF_MEMORY:
            memory = f"reading it takes more than {limits.memory_bytes >> 20} MB of memory beside the file"
            return ChildFailedError(memory, _REPORT)
        return ChildFailedError("the process that read it ended without an answer", _AGAIN)
    number = os.WTERMSIG(status)
    if number == signal.SIGXCPU:
        return ChildFailedError(f"reading it takes more than {limits.cpu_seconds} s of processor time", _REPORT)
    if number == signal.SIGKILL:
        return ChildFailedError("the process that read it was killed, as systems do where memory runs out", _AGAIN)
    return ChildFailedError(f"the process that read it crashed ({signal.Signals(number).name})", _REPORT)
