"""What the surroundings do in the middle of a run: clocks that jump, folders that go, memory that ends, killed helpers.

Whatever it is: an answer, or a neutral 0.5 with a documented exit code and a line that says why; nothing else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from detector.base.errors import ExitCode

HOME = Path(__file__).resolve().parents[2]
RUN = """
import sys
import entrypoint
sys.exit(entrypoint.main(sys.argv[1:]))
"""
JUMPS = """
import itertools, time
jump = {jump!r}
began, calls = time.time(), itertools.count()
time.time = lambda: began + jump * next(calls)
time.time_ns = lambda: int(time.time() * 1e9)
"""
VANISHING = """
import os, shutil, sys
scratch = sys.argv[sys.argv.index("--scratch_dirpath") + 1]
def watch(event, arguments):
    if event == "open" and str(arguments[0]).endswith("model.pt"):
        shutil.rmtree(scratch, ignore_errors=True)
        if {replaced!r}:
            open(scratch, "w").close()
sys.addaudithook(watch)
"""
LIMITED = """
import resource
resource.setrlimit({what}, ({limit}, {limit}))
"""
NO_SANDBOX = """
from detector.sandbox import starting
def refused(*_):
    raise BlockingIOError(11, "Resource temporarily unavailable")
starting.start_nursery.__globals__["_forked"] = starting.start_nursery.__globals__["_anew"] = refused
"""
KILLED = """
import os, signal, time
from detector.sandbox import sandbox
asked = sandbox.Sandbox._asked
def _asked(self, *request):
    os.kill(self._nursery.process, signal.SIGKILL)  # before it has the file: what it had answered would count
    time.sleep(1)
    return asked(self, *request)
sandbox.Sandbox._asked = _asked
"""


def judged(
    before: str, case: Any, output: Path, *more: str, environment: dict[str, str] | None = None
) -> tuple[int, str, dict[str, Any], str]:
    """Exit code, result, report (empty where there is none) and stderr of `infer` after some code."""
    command = [sys.executable, "-c", before + RUN, *case.options(output), *more]
    environment = (environment or dict(os.environ)) | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=HOME, env=environment, capture_output=True, text=True, timeout=300)
    report = next(iter(output.rglob("report.json")), None)
    told = {} if report is None else json.loads(report.read_text())
    return done.returncode, next(output.rglob("result.txt")).read_text(), told, done.stderr


@pytest.mark.parametrize("jump", [3.15e7, -3.15e7], ids=["forward", "back"])
def test_clocks_that_jump_change_nothing(jump: float, tampered_case: Any, tmp_path: Path) -> None:
    """A year with every look at the wall clock: time is counted on one that never goes back."""
    code, result, report, _ = judged(JUMPS.format(jump=jump), tampered_case, tmp_path)
    assert code == ExitCode.ANSWERED
    assert float(result) != 0.5
    assert 0 < report["timings"]["total"] < 200


def test_nothing_counts_time_on_the_wall_clock() -> None:
    sources = [path for path in (HOME / "detector").rglob("*.py") if "time.time()" in path.read_text(encoding="utf-8")]
    assert sources == []


def test_without_home_and_any_other_word_of_the_environment(tampered_case: Any, tmp_path: Path) -> None:
    code, result, report, _ = judged("", tampered_case, tmp_path, environment={"PATH": "/nowhere"})
    assert code == ExitCode.ANSWERED
    assert float(result) != 0.5
    assert report["findings"]


@pytest.mark.parametrize("replaced", [False, True], ids=["gone", "a file in its place"])
def test_a_scratch_folder_that_vanishes_costs_the_report_at_most(
    replaced: bool, tampered_case: Any, tmp_path: Path
) -> None:
    code, result, report, told = judged(VANISHING.format(replaced=replaced), tampered_case, tmp_path)
    assert code == ExitCode.ANSWERED
    assert float(result) != 0.5
    assert bool(report) != replaced
    assert ("no report" in told) == replaced


@pytest.mark.hostile
@pytest.mark.parametrize("megabytes", [200, 400, 800, 1600])
def test_without_memory_there_is_a_neutral_answer_or_the_right_one(
    megabytes: int, small_case: Any, metaparameters: Any, tmp_path: Path
) -> None:
    limit = LIMITED.format(what="resource.RLIMIT_AS", limit=megabytes << 20)
    code, result, _, told = judged(limit, small_case, tmp_path, *metaparameters())
    assert code in set(ExitCode) or code < 0
    assert "Traceback" not in told
    assert (float(result) == 0.5) == (code != ExitCode.ANSWERED)


@pytest.mark.hostile
def test_without_processes_for_a_sandbox_the_answer_is_the_same_and_it_is_told(
    tampered_case: Any, tmp_path: Path
) -> None:
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    _, expected, _, _ = judged("", tampered_case, tmp_path / "with")
    code, result, report, _ = judged(NO_SANDBOX, tampered_case, tmp_path / "without")
    assert (code, result) == (0, expected)
    (finding,) = (one for one in report["findings"] if one["code"] == "not_sandboxed")
    assert finding["severity"] == "warning"
    assert "Resource temporarily unavailable" in finding["message"]


def test_no_sandbox_says_what_is_lost(tampered_case: Any, tmp_path: Path) -> None:
    code, _, report, _ = judged("", tampered_case, tmp_path, "--no_sandbox")
    assert code == ExitCode.ANSWERED
    (finding,) = (one for one in report["findings"] if one["code"] == "not_sandboxed")
    assert finding["severity"] == "info"
    assert "all rights of this process" in finding["message"]


@pytest.mark.hostile
def test_a_parser_that_is_killed_is_a_refusal(tampered_case: Any, tmp_path: Path) -> None:
    code, result, report, told = judged(KILLED, tampered_case, tmp_path)
    assert code == ExitCode.MODEL_REFUSED
    assert result == "0.5\n"
    assert "gone" in told
    assert "gone" in report["error"]
