"""The log: one harmless line for each message, whatever it holds."""

import io
import json
import logging
import subprocess
import sys

import pytest

from detector.base.log import LogFormat, OneLine, OneObject, tell_error

FORGED = [
    "evil\nWARNING: forged\x1b[2J",
    "a\rb",
    "a\u202eb",
    "\x9b31m",
    "\u2028x",
    "\ud800",
    "x" * 10**6,
    "%s %d",
    "{}",
]


@pytest.mark.hostile
@pytest.mark.parametrize("text", FORGED, ids=lambda text: ascii(text[:12]))
@pytest.mark.parametrize("form", ["%s", "%s is left out: %s"])
def test_whatever_is_named_the_log_has_one_line(text: str, form: str) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(OneLine())
    arguments = (text,) * form.count("%s")
    handler.emit(logging.LogRecord("detector.any", logging.WARNING, "", 0, form, arguments, None))
    line = stream.getvalue()
    assert line[19:].startswith("Z WARNING: ") and line.endswith("\n")
    assert line[:-1].isprintable()
    assert len(line) < 2000


@pytest.mark.hostile
@pytest.mark.parametrize("text", FORGED, ids=lambda text: ascii(text[:12]))
def test_whatever_is_named_a_line_of_json_is_one_object(text: str) -> None:
    line = OneObject().format(logging.LogRecord("detector.any", logging.WARNING, "", 0, "%s", (text,), None))
    assert line.isprintable() and json.loads(line)["level"] == "warning"


def test_an_error_with_all_its_parts_fits() -> None:
    record = logging.LogRecord("detector.any", logging.INFO, "", 0, "y" * 1500, (), None)
    assert OneLine().format(record)[21:] == "INFO: " + "y" * 1500


CODE = """
import logging, sys
from detector.base.log import LogFormat, log_to_stderr
log_to_stderr(LogFormat(sys.argv[1]), getattr(logging, sys.argv[2]))
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
