"""How many CPUs this process may really use: affinity and cgroup quota, not the count of the host.

Reads the kernel's own files, which are trusted; where they are absent (not Linux) the affinity alone decides.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


def usable_cpus(cgroup: Path = _CGROUP, membership: Path = _MEMBERSHIP) -> int:
    """CPUs of the affinity mask, lowered to the lowest quota of the cgroups (v2 or v1) around us, at least 1."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [quota for group in _groups(cgroup, membership) if (quota := _quota(group)) is not None]
    return max(1, min([affinity, *map(math.ceil, quotas)]))


def _groups(cgroup: Path, membership: Path) -> set[Path]:
    """Folders of the cgroups that this process is in, and of all around them; inside a container the root alone."""
    groups = {cgroup, cgroup / "cpu"}
    for line in _text(membership).splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if ".." in path or controllers not in ("", "cpu", "cpu,cpuacct", "cpuacct,cpu"):
            continue
        own = (cgroup / "cpu" if controllers else cgroup) / path.strip("/")
        groups |= {folder for folder in (own, *own.parents) if folder.is_relative_to(cgroup)}
    return groups


def _quota(group: Path) -> float | None:
    """CPUs' worth of time that the cgroup grants, or None where it sets no limit."""
    limit = _text(group / "cpu.max").split()
    if not limit:
        limit = [*_text(group / "cpu.cfs_quota_us").split(), *_text(group / "cpu.cfs_period_us").split()]
    if len(limit) != 2 or limit[0] in ("max", "-1"):
        return None
    return int(limit[0]) / int(limit[1])


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
