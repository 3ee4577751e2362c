"""The one way of text from outside into a log, an error or a report: `printable`.

Names of files and folders, strings in model files and values of attributes may hold line breaks, escape sequences,
marks that reverse the direction of writing, or a million characters. Nothing here trusts any of it, and the work is
bounded: text is cut before anything is done with it.
"""

from __future__ import annotations

import reprlib

LONGEST = 400  # characters of one part: several fit a log line, and a path of a few folders is whole
_ITEMS, _DEPTH = 8, 3  # of a tuple and of tuples in tuples: at most 8**3 values are looked at


def printable(text: object, most: int = LONGEST) -> str:
    """One line of harmless text of at most so many characters, and "..." where it was longer.

    What Python does not call printable is escaped: control characters, line and paragraph separators, marks of
    writing direction and other invisible ones, surrogates.
    """
    whole = text if isinstance(text, str) else str(text)
    line = "".join(c if c.isprintable() else _escaped(c) for c in whole[: most + 1])
    return line if len(line) <= most else line[:most] + "..."


def brief(value: object) -> str:
    """A plain value (text, number, tuple of these) as `printable` text, without ever writing out all of it."""
    if isinstance(value, str):
        return printable(value)
    try:
        return printable(_short.repr(value))
    except ValueError:  # Python refuses to print integers of thousands of digits
        return "a number of thousands of digits"


def listed(names: list[str], most: int = 10) -> str:
    """Quoted names, the first few of many: "'epoch', 'optimizer' and 3 more"."""
    shown = ", ".join(f"'{printable(name[:60])}'" for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "replace").decode()


def _shortener() -> reprlib.Repr:
    shortener = reprlib.Repr()
    shortener.maxlevel = _DEPTH
    shortener.maxtuple = shortener.maxlist = shortener.maxdict = _ITEMS
    shortener.maxstring = shortener.maxother = shortener.maxlong = 60
    return shortener


_short = _shortener()
