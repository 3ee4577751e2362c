"""Which system calls a process may still make: a filter of the Linux kernel (seccomp(2), mode 2).

The two bindings on PyPI are not kept (pyseccomp: last release 2021, and needs libseccomp; landlock: a development
version of 2022), and what is needed is small: one program of a dozen kinds of instructions for a fixed list. Landlock
would add nothing to a process that may not open, connect or execute in the first place.

The list has what reading from one open descriptor, computing, and writing to it takes. Everything else, such as opening
files, sockets, starting processes, or making memory executable, is refused with EPERM.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from dataclasses import dataclass

_INSTRUCTION = struct.Struct("=HBBI")  # struct sock_filter: code, jump if true, jump if false, operand
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # of linux/bpf_common.h
_NUMBER, _ARCHITECTURE, _THIRD_ARGUMENT = 0, 4, 32  # places in struct seccomp_data
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM
_EXECUTABLE = 4  # PROT_EXEC
_OTHER_ABI = 0x40000000  # x86-64's numbers for 32-bit pointers begin here
_NO_NEW_PRIVILEGES, _SET_FILTER, _FILTER_MODE = 38, 22, 2  # of prctl(2)


@dataclass(frozen=True)
class _Machine:
    """Its number in linux/audit.h, the calls that are allowed by number, and those that are unless for executing."""

    audit: int
    calls: tuple[int, ...]
    mapping: tuple[int, ...]


# read write close fstat lseek munmap brk rt_sigaction rt_sigprocmask rt_sigreturn sched_yield mremap madvise getpid
# exit gettimeofday getrusage gettid futex restart_syscall clock_gettime exit_group getrandom; mmap mprotect
_MACHINES = {
    "x86_64": _Machine(
        0xC000003E,
        (0, 1, 3, 5, 8, 11, 12, 13, 14, 15, 24, 25, 28, 39, 60, 96, 98, 186, 202, 219, 228, 231, 318),
        (9, 10),
    ),
    "aarch64": _Machine(
        0xC00000B7,
        (63, 64, 57, 80, 62, 215, 214, 134, 135, 139, 124, 216, 233, 172, 93, 169, 165, 178, 98, 128, 113, 94, 278),
        (222, 226),
    ),
}


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def allow_computing_only() -> str | None:
    """From now on this process can only compute and use what it has open; why not, where the kernel cannot do that."""
    machine = _MACHINES.get(platform.machine())
    prctl = getattr(ctypes.CDLL(None, use_errno=True), "prctl", None)
    if machine is None or prctl is None:
        return f"not known for {platform.machine()}"
    code = _program(machine)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // _INSTRUCTION.size, ctypes.addressof(buffer))
    if prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or prctl(_SET_FILTER, _FILTER_MODE, ctypes.byref(program), 0, 0):
        return os.strerror(ctypes.get_errno())
    return None


def _program(machine: _Machine) -> bytes:
    """Load and compare; a jump skips as many instructions as it says."""
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, machine.audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _OTHER_ABI),
        (_RETURN, 0, 0, _KILL),
    ]
    for number in machine.calls:
        lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    for number in machine.mapping:
        lines += [(_EQUAL, 0, 4, number), (_LOAD, 0, 0, _THIRD_ARGUMENT), (_ANY_BIT, 0, 1, _EXECUTABLE)]
        lines += [(_RETURN, 0, 0, _REFUSE), (_RETURN, 0, 0, _ALLOW)]
    lines.append((_RETURN, 0, 0, _REFUSE))
    return b"".join(_INSTRUCTION.pack(*line) for line in lines)
