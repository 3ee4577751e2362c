"""The log: one harmless line for each message, whatever it holds."""

import io
import logging

import pytest

from detector.base.log import OneLine

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
    assert line.startswith("WARNING: ") and line.endswith("\n")
    assert line[:-1].isprintable()
    assert len(line) < 2000


def test_an_error_with_all_its_parts_fits() -> None:
    record = logging.LogRecord("detector.any", logging.INFO, "", 0, "y" * 1500, (), None)
    assert OneLine().format(record) == "INFO: " + "y" * 1500
