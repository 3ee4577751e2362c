"""The process that confined children are forked from: lean, with one thread, and without anything of ours open.

It is forked before threads and large libraries are there, or started anew where they are already. It does what its
parent says, and ends when the parent does. It reads nothing that comes from outside.
"""

from __future__ import annotations

import gc
import importlib
import json
import mmap
import os
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import NoReturn

from detector.base.limits import ChildLimits
from detector.base.text import printable
from detector.sandbox.confinement import confine
from detector.sandbox.job import Job
from detector.sandbox.message import Channel, EndOfMessagesError, Header

OUT_OF_MEMORY, FAULT = 70, 71  # exit codes of a child
_MOST_REQUEST = 65536  # bytes
_STANDARD = 3  # descriptors: stdin, stdout, stderr


def serve(control: socket.socket, jobs: Mapping[str, Job]) -> NoReturn:
    """Do what `control` asks for, one child at a time, until it is closed."""
    _begin(control.fileno())
    try:
        for job in jobs.values():
            job.prepare()
        gc.freeze()  # children share these pages as long as nobody touches them
        while True:
            request, descriptors, _, _ = socket.recv_fds(control, _MOST_REQUEST, 2)
            if not request:
                os._exit(0)
            status = _child(json.loads(request), descriptors, control, jobs)
            control.send(json.dumps({"status": status}).encode("ascii"))
    except BaseException:  # it has nobody to tell, and must not go on as a copy of its parent
        os._exit(FAULT)


def _begin(kept: int) -> None:
    """Leave the parent's terminal, files and signals alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, whose end ends this
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(_STANDARD):
        if descriptor != kept:
            os.dup2(nowhere, descriptor)
    os.closerange(_STANDARD, max(kept, _STANDARD))
    os.closerange(max(kept + 1, _STANDARD), _highest_descriptor() + 1)


def _highest_descriptor() -> int:
    """Of those that are open; without /proc, of those that could be."""
    try:
        return max(int(entry.name) for entry in os.scandir("/proc/self/fd"))
    except OSError:
        return os.sysconf("SC_OPEN_MAX")


def _child(request: Header, descriptors: list[int], control: socket.socket, jobs: Mapping[str, Job]) -> int:
    """The wait status of a child that does what is asked."""
    child = os.fork()
    if child == 0:
        try:
            control.close()
            os._exit(_serve_one(request, descriptors, jobs[request["job"]]))
        except MemoryError:
            os._exit(OUT_OF_MEMORY)
        except BaseException:  # it ends here, whatever it was: nothing of this process's work is the child's
            os._exit(FAULT)
    for descriptor in descriptors:
        os.close(descriptor)
    return os.waitpid(child, 0)[1]


def _serve_one(request: Header, descriptors: list[int], job: Job) -> int:
    channel, *content = descriptors
    data = memoryview(mmap.mmap(content[0], 0, prot=mmap.PROT_READ)) if content else memoryview(b"")
    for descriptor in content:
        os.close(descriptor)
    speaker = Channel(channel)
    missing = confine(ChildLimits(**request["limits"]))
    speaker.send({"missing": missing})
    try:
        job.serve(request["arguments"], data, speaker)
    except EndOfMessagesError:
        return 0
    except MemoryError:
        return OUT_OF_MEMORY
    except Exception as error:
        speaker.send({"fault": printable(f"{type(error).__name__}: {error}")})
        return FAULT
    return 0


def request_bytes(job: str, arguments: Header, limits: ChildLimits) -> bytes:
    """What a parent sends to ask for a child."""
    return json.dumps({"job": job, "arguments": arguments, "limits": asdict(limits)}).encode("ascii")


def main(words: list[str]) -> NoReturn:
    """The nursery as a program of its own: the descriptor of `control`, and the jobs as `module:name`."""
    control = socket.socket(fileno=int(words[0]))
    found = [word.split(":") for word in words[1:]]
    jobs: list[Job] = [getattr(importlib.import_module(module), name) for module, name in found]
    serve(control, {job.name: job for job in jobs})


if __name__ == "__main__":
    main(sys.argv[1:])
