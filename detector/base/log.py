"""The log as lines on stderr: whatever a message holds, it is one line of harmless text, or one JSON object.

Messages name files and folders, and whoever named those may have written line breaks and escape sequences into them.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from datetime import UTC, datetime
from enum import StrEnum

from detector.base.text import LONGEST, printable

_LONGEST_LINE = 4 * LONGEST  # an error has four parts


class LogFormat(StrEnum):
    """What a line of the log looks like."""

    TEXT = "text"  # 2026-01-31T12:00:00Z WARNING: message
    JSON = "json"  # {"time": ..., "level": ..., "message": ...}


class OneLine(logging.Formatter):
    """Time, level and message, all on one line; nothing of tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        return f"{_time(record.created)} {record.levelname}: {printable(record.getMessage(), _LONGEST_LINE)}"


class OneObject(logging.Formatter):
    """The same as a JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        message = printable(record.getMessage(), _LONGEST_LINE)
        return _as_json(_time(record.created), record.levelname.lower(), message)


def log_to_stderr(log_format: LogFormat = LogFormat.TEXT, level: int = logging.WARNING) -> None:
    """Every message of this process goes to stderr as one line, unless it has been arranged otherwise before; of the
    detector's own those of `level` and above.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine() if log_format is LogFormat.TEXT else OneObject())
    logging.basicConfig(handlers=[handler])
    logging.getLogger("detector").setLevel(level)


def tell_error(message: str, log_format: LogFormat) -> None:
    """The one line that says why the program ends without an answer; as text it begins with "error: ".

    That it cannot be printed (a full disk, a closed pipe) changes no exit code.
    """
    now = _time(datetime.now(UTC).timestamp())
    line = f"error: {message}" if log_format is LogFormat.TEXT else _as_json(now, "error", message)
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()


def _as_json(time: str, level: str, message: str) -> str:
    return json.dumps({"time": time, "level": level, "message": message})


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
