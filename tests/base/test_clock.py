"""The clock and the start of the process, against a second witness each."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from detector.base.clock import SystemClock, process_started


def test_the_system_clock_goes_forward() -> None:
    clock = SystemClock()
    first = clock.now()
    time.sleep(0.01)
    assert 0.01 <= clock.now() - first < 5


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc here")
def test_the_start_is_when_the_parent_started_the_process() -> None:
    """The time that passes before our first line counts; parent and child read the same monotonic clock."""
    program = "import time; time.sleep(0.5); from detector.base.clock import process_started; print(process_started())"
    before = time.monotonic()
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout
    tick = 1 / os.sysconf("SC_CLK_TCK")
    assert before - 2 * tick <= float(output) <= before + 0.5


@pytest.mark.parametrize(
    "stat",
    [
        None,
        "",
        "1 (python) R 1 1",
        f"1 (python) R {'0 ' * 18}0 0 0",  # sandboxed kernels that do not know
        f"1 (python) R {'0 ' * 18}{10**15} 0 0",  # starts in the future
        f"1 (python) R {'0 ' * 18}x 0 0",
    ],
)
def test_without_a_believable_start_it_is_now(stat: str | None, tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    if stat is not None:
        (tmp_path / "self" / "stat").write_text(stat)
    before = time.monotonic()
    assert before <= process_started(tmp_path) <= time.monotonic()


def test_names_with_brackets_and_blanks_do_not_shift_the_fields(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    ticks = int((time.clock_gettime(time.CLOCK_BOOTTIME) - 30) * os.sysconf("SC_CLK_TCK"))
    (tmp_path / "self" / "stat").write_text(f"1 (a) R 7 (b c) R {'0 ' * 18}{ticks} 0 0")
    assert time.monotonic() - process_started(tmp_path) == pytest.approx(30, abs=0.5)
