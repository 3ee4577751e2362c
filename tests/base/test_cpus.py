"""The CPU count against hand-made cgroup files."""

import os
from pathlib import Path

import pytest

from detector.base.cpus import usable_cpus

AFFINITY = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, AFFINITY),
        ({"cpu.max": "max 100000\n"}, AFFINITY),
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "9900000 100000\n"}, AFFINITY),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, AFFINITY),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
    ],
)
def test_quota_lowers_the_affinity(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert usable_cpus(tmp_path, tmp_path / "none") == expected


@pytest.mark.parametrize(
    ("membership", "limited", "expected"),
    [
        ("0::/jobs/step\n", "jobs/step", 1),
        ("0::/jobs/step\n", "jobs", 1),  # a limit holds for all that is inside
        ("0::/jobs/step\n", "other", AFFINITY),
        ("12:pids:/jobs\n3:cpu,cpuacct:/jobs/step\n", "cpu/jobs", 1),
        ("12:pids:/jobs\n", "jobs", AFFINITY),
        ("0::/../outside\n", "outside", AFFINITY),
        ("nonsense\n\n", "jobs", AFFINITY),
    ],
)
def test_quotas_of_the_groups_around_the_process_count(
    tmp_path: Path, membership: str, limited: str, expected: int
) -> None:
    (tmp_path / "membership").write_text(membership)
    (tmp_path / "fs" / limited).mkdir(parents=True)
    (tmp_path / "fs" / limited / "cpu.max").write_text("100000 100000\n")
    assert usable_cpus(tmp_path / "fs", tmp_path / "membership") == expected


def test_affinity_counts() -> None:
    everything = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(everything)})
        assert usable_cpus() == 1
    finally:
        os.sched_setaffinity(0, everything)
