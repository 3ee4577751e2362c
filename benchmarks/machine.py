"""The machine that a benchmark runs on: what it is, how busy it is, and the best that it can do.

Names no hosts and no paths: what is written here ends up in the repository.
"""

from __future__ import annotations

import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from detector.base.cpus import usable_cpus

_PACKAGES = ("torch", "numpy", "pillow", "jsonschema")


@dataclass(frozen=True)
class Speed:
    """Best rates of all usable cores together, in 1e9 operations (a multiply-add is two) a second."""

    product: float  # of two large square matrices
    convolution: float  # 3 x 3 on many channels

    @property
    def best(self) -> float:
        """The higher one."""
        return max(self.product, self.convolution)


def description() -> str:
    """CPU, memory, system and versions, as lines of a Markdown list."""
    model = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return "\n".join(
        (
            f"- {model[1] if model else platform.processor()}, {usable_cpus()} cores usable, {memory:.0f} GiB",
            f"- {platform.system()}, Python {platform.python_version()}, {versions()}",
        )
    )


def versions() -> str:
    """Of the libraries that the detector computes with."""
    return ", ".join(f"{name} {version(name)}" for name in _PACKAGES)


def load() -> float:
    """Processes that ran or waited to run during the last minute, on average."""
    return os.getloadavg()[0]


def best_speed() -> Speed:
    """What the same library reaches at its best, in a fresh process: the measure of the floor."""
    code = "from benchmarks.machine import measure_speed; measured = measure_speed(); print(*measured)"
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return Speed(*map(float, answer.stdout.split()))


def measure_speed() -> tuple[float, float]:
    """The rates of `Speed`, with all usable cores."""
    import torch

    torch.set_num_threads(usable_cpus())
    side = 4096
    left, right = torch.rand(side, side), torch.rand(side, side)
    channels, width, count = 256, 28, 32
    convolution = torch.nn.Conv2d(channels, channels, 3, padding=1, bias=False)
    convolution.weight.data = convolution.weight.data.contiguous(memory_format=torch.channels_last)
    images = torch.rand(count, channels, width, width).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        product = 2 * side**3 / best_seconds(lambda: left @ right)
        convolved = 2 * 9 * channels**2 * width**2 * count / best_seconds(lambda: convolution(images))
    return product / 1e9, convolved / 1e9


def best_seconds(work: Callable[[], object], repeats: int = 7) -> float:
    """The shortest of several times that `work` took, after one to warm up."""
    work()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def import_seconds(statement: str, repeats: int = 3) -> float:
    """Wall time of a process that only imports, median."""
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", statement], check=True)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)
