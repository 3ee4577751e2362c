"""Runs the detector as a user does, and says what it took."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.machine import versions
from detector.base.errors import ExitCode

ROOT = Path(__file__).resolve().parents[1]
_METAPARAMETERS = ROOT / "metaparameters.json"


@dataclass(frozen=True)
class Detection:
    """One run: seconds of wall and CPU time, peak memory in bytes, the exit code, and the report of the run."""

    wall: float
    cpu: float
    memory: int
    exit_code: int
    report: dict[str, Any]


def kept(path: Path, measure: Callable[[], Any]) -> Any:
    """What `measure` gave as JSON when it was first asked for: an interrupted benchmark goes on where it stopped.

    Figures of other code than the present one are not used.
    """
    code = code_digest()
    found = json.loads(path.read_text()) if path.exists() else {}
    if found.get("code") != code:
        found = {"code": code, "value": measure()}
        path.write_text(json.dumps(found))
    return found["value"]


@cache
def code_digest(root: Path = ROOT) -> str:
    """Of the program, what it reads, the benchmarks themselves, and the libraries below."""
    digest = hashlib.sha256(versions().encode())
    patterns = ("*.py", "*.json", "detector/**/*.py", "detector/*.json", "benchmarks/*.py", "reference_data/*")
    for path in sorted({path for pattern in patterns for path in root.glob(pattern) if path.is_file()}):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def detect(model: Path, scratch: Path, *, max_seconds: float, bundle: Path | None = None) -> Detection:
    """Run `entrypoint.py infer` on a model file and the folder `examples` beside it.

    Parameters
    ----------
    scratch
        A folder for all that the run writes.
    max_seconds
        The time budget.
    bundle
        Learned parameters; by default those of NIST's Round 2.

    Raises
    ------
    subprocess.CalledProcessError
        If the detector failed otherwise than for want of time.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    settings = json.loads(_METAPARAMETERS.read_text()) | {
        "infer_bundle": "nist-round2",
        "infer_max_seconds": max_seconds,
    }
    (scratch / "metaparameters.json").write_text(json.dumps(settings))
    options = {
        "model_filepath": model,
        "examples_dirpath": model.parent / "examples",
        "result_filepath": scratch / "result.txt",
        "scratch_dirpath": scratch,
        "metaparameters_filepath": scratch / "metaparameters.json",
        "learned_parameters_dirpath": bundle or ROOT / "learned_params",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    began = time.perf_counter()
    child = subprocess.Popen([sys.executable, str(ROOT / "entrypoint.py"), "infer", *words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in (ExitCode.ANSWERED, ExitCode.DEADLINE):
        raise subprocess.CalledProcessError(child.returncode, child.args)
    report = json.loads((scratch / "report.json").read_text())
    return Detection(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, child.returncode, report)
