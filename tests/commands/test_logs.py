"""The log: lines with the time, as text or as JSON, on stderr."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from detector.commands.logs import LogFormat, tell_error

CODE = """
import logging, sys
from detector.commands.logs import LogFormat, set_up_logs
set_up_logs(LogFormat(sys.argv[1]), getattr(logging, sys.argv[2]))
for level in ("info", "warning"):
    getattr(logging.getLogger("detector.x"), level)("a %s", '"quoted"')
"""


def lines(log_format: str, level: str) -> list[str]:
    command = [sys.executable, "-c", CODE, log_format, level]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_text() -> None:
    (line,) = lines("text", "WARNING")
    time, _, message = line.partition(" ")
    assert (len(time), time[10], time[-1], message) == (20, "T", "Z", 'WARNING: a "quoted"')


def test_json() -> None:
    told = [json.loads(line) for line in lines("json", "INFO")]
    assert [(one["level"], one["message"]) for one in told] == [("info", 'a "quoted"'), ("warning", 'a "quoted"')]
    assert all(one["time"].endswith("Z") for one in told)


def test_the_error_line(capsys: pytest.CaptureFixture[str]) -> None:
    tell_error("it failed", LogFormat.TEXT)
    tell_error("it failed", LogFormat.JSON)
    text, line = capsys.readouterr().err.splitlines()
    assert text == "error: it failed"
    assert json.loads(line)["level"] == "error"
