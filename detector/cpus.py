"""How many CPUs this process may really use: affinity and cgroup quota, not the count of the host.

Reads the kernel's own files, which are trusted; where they are absent (not Linux) the affinity alone decides.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def usable_cpus(cgroup: Path = _CGROUP) -> int:
    """CPUs of the affinity mask, lowered to the cgroup's quota (v2 or v1), at least 1."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(cgroup)
    return max(1, affinity if quota is None else min(affinity, math.ceil(quota)))


def _quota(cgroup: Path) -> float | None:
    """CPUs' worth of time that the cgroup grants, or None where it sets no limit."""
    limit = _words(cgroup / "cpu.max")
    if not limit:
        limit = _words(cgroup / "cpu/cpu.cfs_quota_us") + _words(cgroup / "cpu/cpu.cfs_period_us")
    if len(limit) != 2 or limit[0] in ("max", "-1"):
        return None
    return int(limit[0]) / int(limit[1])


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []
