"""How the program logs: lines with the time, as text for people or as JSON for machines; on stderr, never on stdout."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from datetime import UTC, datetime
from enum import StrEnum

from detector.base.log import OneLine, one_line


class LogFormat(StrEnum):
    """What a line of the log looks like."""

    TEXT = "text"  # 2026-01-31T12:00:00Z WARNING: message
    JSON = "json"  # {"time": ..., "level": ..., "message": ...}


def set_up_logs(log_format: LogFormat, level: int) -> None:
    """From now on log messages of `level` and above go to stderr; where logging is set up already, nothing changes."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Text() if log_format is LogFormat.TEXT else _Json())
    logging.basicConfig(handlers=[handler])
    logging.getLogger("detector").setLevel(level)


def tell_error(message: str, log_format: LogFormat) -> None:
    """The one line that says why the program ends without an answer; as text it begins with "error: "."""
    line = f"error: {message}" if log_format is LogFormat.TEXT else _as_json(_now(), "error", message)
    if sys.stderr is not None:  # that it cannot be written (a full disk, a closed pipe) changes no exit code
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()


class _Text(OneLine):
    def format(self, record: logging.LogRecord) -> str:
        return f"{_time(record.created)} {super().format(record)}"


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return _as_json(_time(record.created), record.levelname.lower(), one_line(record.getMessage()))


def _as_json(time: str, level: str, message: str) -> str:
    return json.dumps({"time": time, "level": level, "message": message})


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _now() -> str:
    return _time(datetime.now(UTC).timestamp())
