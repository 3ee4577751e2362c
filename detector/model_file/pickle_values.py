"""What the pickle machine makes of the objects of a file: inert records beside plain values, and their descriptions.

Nothing here was called, imported or instantiated: each record says what the file asks for.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from detector.base.text import listed, printable
from detector.model_file.allowed import GlobalName

_SHOWN, _SHOWN_TEXT = 10, 60  # keys and characters of a value that a message tells


@dataclass(slots=True, eq=False)
class Instance:
    """An object of a module class: its class and the state that BUILD gave it (None: none yet)."""

    cls: GlobalName
    state: dict[object, object] | None = None


@dataclass(slots=True, eq=False)
class Inert:
    """A plain value that lies beside a network (a date, a path, an array of numpy): what it was to be made from."""

    function: GlobalName
    parts: list[object]


@dataclass(slots=True, eq=False)
class Call:
    """A call that the file asks for and that nobody makes: the function's name, its arguments, its state."""

    function: GlobalName
    arguments: tuple[object, ...]
    state: object = None


def describe(value: object) -> str:
    """A value of the machine in a few words, without walking into it."""
    match value:
        case GlobalName():
            return str(value)
        case Instance():
            return f"an object of {value.cls}"
        case Call():
            return f"the result of {value.function}"
        case Inert():
            return f"an object of {value.function}"
        case dict() if value:
            return f"a dict with the keys {listed([str(key) for key in islice(value, _SHOWN)])}" + (
                f" and {len(value) - _SHOWN} more" if len(value) > _SHOWN else ""
            )
        case str():
            return f"the text '{printable(value[:_SHOWN_TEXT])}'"
        case None | bool() | int() | float():
            return repr(value)
    return f"a {type(value).__name__}"
