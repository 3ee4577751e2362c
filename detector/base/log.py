"""The log as lines on stderr: whatever a message holds, it is one line of harmless text.

Messages name files and folders, and whoever named those may have written line breaks and escape sequences into them.
"""

from __future__ import annotations

import logging

from detector.base.text import LONGEST, printable

_LONGEST_LINE = 4 * LONGEST  # an error has four parts


class OneLine(logging.Formatter):
    """Level and message, both on one line; nothing of tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        return f"{record.levelname}: {one_line(record.getMessage())}"


def one_line(message: str) -> str:
    """The message as harmless text on one line."""
    return printable(message, _LONGEST_LINE)
