"""podman and Apptainer behind one face: a box that is described once, and the commands that run something in it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

REPOSITORY = Path(__file__).resolve().parents[2]
PYTHON = ("python3", "-s", "-E")
ENTRYPOINT = (*PYTHON, "/opt/detector/entrypoint.py")
SHM = "64m"
LIMIT = 300  # seconds; nothing that is run here takes a minute on a free machine


@dataclass(frozen=True)
class Bind:
    """A folder or file of this machine as the box sees it."""

    source: Path
    target: str
    writable: bool = False

    def __str__(self) -> str:
        return f"{self.source}:{self.target}:{'rw' if self.writable else 'ro'}"


@dataclass(frozen=True)
class Box:
    """What surrounds a run: strict unless something is allowed.

    `memory` in bytes; `user` as uid and gid; `little_shm`: at most 64 MB of shared memory, as Docker gives by default.
    """

    binds: tuple[Bind, ...] = ()
    network: bool = False
    user: int | None = None
    memory: int | None = None
    little_shm: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


class Runtime(Protocol):
    """Anything that runs one of our images."""

    name: str
    stranger: int  # a uid that the image does not know

    def command(self, box: Box, arguments: Sequence[str], program: Sequence[str] = ()) -> list[str]:
        """The command line that runs the image's own entrypoint, or another program, in a box."""

    def start(self, box: Box, arguments: Sequence[str]) -> Callable[[], None]:
        """Start the entrypoint in a box, and return what kills it: SIGKILL, as from a harness out of patience."""

    def start_instance(self, box: Box) -> str:
        """Start a box that stays, and return its name."""

    def in_instance(self, instance: str, arguments: Sequence[str], program: Sequence[str] = ()) -> list[str]:
        """The command line that runs the entrypoint, or another program, in a box that stays."""

    def stop_instance(self, instance: str) -> None:
        """End a box that stays."""

    def bytes(self) -> int:
        """Size of the image."""

    def labels(self) -> dict[str, str]:
        """What the image says of itself."""


def run(command: Sequence[str], stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run to the end, whatever the exit code."""
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=LIMIT, check=False)


def output(command: Sequence[str], stdin: str | None = None, code: int = 0) -> str:
    """What a command prints that must end with this exit code."""
    done = run(command, stdin)
    assert done.returncode == code, f"exit code {done.returncode}: {' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


class Podman:
    """The image of the Dockerfile, by podman: no capabilities, no privileges, read-only, nothing writable anywhere."""

    name = "podman"
    stranger = 48217

    def __init__(self, image: str) -> None:
        self.image = image

    def _box(self, box: Box) -> list[str]:
        options = ["--cap-drop", "all", "--security-opt", "no-new-privileges", "--pids-limit", "256"]
        options += ["--read-only", "--read-only-tmpfs=false", "--shm-size", SHM]
        options += ["--network", "host" if box.network else "none"]
        options += ["--user", f"{box.user}:{box.user}"] if box.user is not None else []
        options += [f"--memory={box.memory}", f"--memory-swap={box.memory}"] if box.memory is not None else []
        options += [f"--env={name}={value}" for name, value in box.environment.items()]
        return options + [f"--volume={bind}" for bind in box.binds]

    def command(self, box: Box, arguments: Sequence[str], program: Sequence[str] = ()) -> list[str]:
        """A container that vanishes with its run."""
        command = ["podman", "run", "--rm", "--interactive", *self._box(box)]
        return [*command, *self._program(program), *program[1:], *arguments]

    def _program(self, program: Sequence[str]) -> list[str]:
        return ["--entrypoint", program[0], self.image] if program else [self.image]

    def start(self, box: Box, arguments: Sequence[str]) -> Callable[[], None]:
        """Detached; the runtime sends the signal."""
        name = _unique_name()
        output(["podman", "run", "--detach", "--name", name, *self._box(box), self.image, *arguments])

        def kill() -> None:
            run(["podman", "kill", "--signal", "KILL", name])  # fails where the run has ended by itself
            self.stop_instance(name)

        return kill

    def start_instance(self, box: Box) -> str:
        """A container that sleeps, for `podman exec`."""
        name = _unique_name()
        output(
            ["podman", "run", "--detach", "--name", name, *self._box(box), "--entrypoint", "sleep", self.image, "900"]
        )
        return name

    def in_instance(self, instance: str, arguments: Sequence[str], program: Sequence[str] = ()) -> list[str]:
        """By `podman exec`, which knows no entrypoint."""
        return ["podman", "exec", "--interactive", instance, *(program or ENTRYPOINT), *arguments]

    def stop_instance(self, instance: str) -> None:
        """By force: there is nothing to save."""
        output(["podman", "rm", "--force", "--time", "0", instance])

    def bytes(self) -> int:
        """All layers, unpacked."""
        return int(output(["podman", "image", "inspect", "--format", "{{.Size}}", self.image]))

    def labels(self) -> dict[str, str]:
        """Of the Dockerfile."""
        labels: dict[str, str] = json.loads(
            output(["podman", "image", "inspect", "--format", "{{json .Labels}}", self.image])
        )
        return labels


class Apptainer:
    """The SIF of singularity.def, by Apptainer: contained, without network, nothing of the caller but its binds."""

    name = "apptainer"
    stranger = 65534  # nobody: Apptainer's callers are users of this machine

    def __init__(self, sif: Path) -> None:
        self.sif = sif

    def _box(self, box: Box) -> list[str]:
        options = [] if box.little_shm else ["--containall"]
        options += [] if box.network else ["--net", "--network", "none"]
        options += [f"--env={name}={value}" for name, value in box.environment.items()]
        return options + [f"--bind={bind}" for bind in box.binds]

    def command(self, box: Box, arguments: Sequence[str], program: Sequence[str] = ()) -> list[str]:
        """One run of the SIF."""
        verb = "exec" if program else "run"
        command = ["singularity", "--quiet", verb, *self._box(box), str(self.sif), *program, *arguments]
        return [*_limited(box.memory), *(_LITTLE_SHM if box.little_shm else []), *_as_user(box.user), *command]

    def start(self, box: Box, arguments: Sequence[str]) -> Callable[[], None]:
        """In a process group of its own, all of which gets the signal."""
        silent = subprocess.DEVNULL
        command = self.command(box, arguments)
        process = subprocess.Popen(command, stdin=silent, stdout=silent, stderr=silent, start_new_session=True)

        def kill() -> None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=LIMIT)

        return kill

    def start_instance(self, box: Box) -> str:
        """As NIST's harness starts one for all its models."""
        name = _unique_name()
        output(["singularity", "--quiet", "instance", "start", *self._box(box), str(self.sif), name])
        return name

    def in_instance(self, instance: str, arguments: Sequence[str], program: Sequence[str] = ()) -> list[str]:
        """A second process in the box."""
        verb = "exec" if program else "run"
        return ["singularity", "--quiet", verb, f"instance://{instance}", *program, *arguments]

    def stop_instance(self, instance: str) -> None:
        """By force: there is nothing to save."""
        output(["singularity", "--quiet", "instance", "stop", "--force", instance])

    def bytes(self) -> int:
        """The file."""
        return self.sif.stat().st_size

    def labels(self) -> dict[str, str]:
        """Of `%labels` and `%post`."""
        document = json.loads(output(["singularity", "--quiet", "inspect", "--json", "--labels", str(self.sif)]))
        labels: dict[str, str] = document["data"]["attributes"]["labels"]
        return labels


def _unique_name() -> str:
    return f"check-{uuid.uuid4().hex}"


def _as_user(user: int | None) -> list[str]:
    """Apptainer runs as its caller, so the caller becomes someone else, someone without a home."""
    if user is None:
        return []
    become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs"]
    return [*become, "env", "HOME=/nonexistent"]


def _limited(memory: int | None) -> list[str]:
    """Run in a control group with this much memory: Apptainer's own option wants systemd."""
    if memory is None:
        return []
    v1, v2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    group, file = (v1, "memory.limit_in_bytes") if v1.is_dir() else (v2, "memory.max")
    script = 'mkdir "$0" && echo "$2" > "$0/$1" && (echo $BASHPID > "$0/cgroup.procs"; shift 2; exec "$@")'
    return ["bash", "-c", f'{script}; code=$?; rmdir "$0"; exit $code', str(group / _unique_name()), file, str(memory)]


# A contained box has a large /dev/shm of its own, any other the machine's: so the machine's is small for the command.
_LITTLE_SHM = ["unshare", "--mount", "bash", "-c", f'mount -t tmpfs -o size={SHM} tmpfs /dev/shm && exec "$@"', "-"]
