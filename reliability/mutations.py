"""Mutations of files: the few changes, at any place, that turn a good file into one that nobody foresaw."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from hypothesis import strategies as st


class Edit(StrEnum):
    """What is done at a place."""

    FLIP = "flip"  # one bit
    SET = "set"  # one byte
    INSERT = "insert"
    DELETE = "delete"  # up to 16 bytes
    COPY = "copy"  # up to 64 bytes from elsewhere in the file
    CUT = "cut"  # all that follows
    NUMBER = "number"  # an extreme one, over 1 to 8 bytes
    TOKEN = "token"  # a word of the format, inserted


_NUMBERS = tuple(
    struct.pack(layout, number)
    for layout, numbers in {
        "<I": (0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**16),
        ">I": (1, 2**31 - 1, 2**32 - 1, 2**16),
        "<Q": (0, 2**63 - 1, 2**64 - 1, 2**32),
        "<d": (float("inf"), float("nan"), -0.0, 1e308),
    }.items()
    for number in numbers
)


@dataclass(frozen=True)
class Change:
    """One edit; places are shares of the length, so that one strategy fits every file."""

    edit: Edit
    place: float
    other: float
    value: int


def changes() -> st.SearchStrategy[list[Change]]:
    """One to six changes."""
    places = st.floats(0, 1, exclude_max=True)
    return st.lists(
        st.builds(Change, st.sampled_from(Edit), places, places, st.integers(0, 255)), min_size=1, max_size=6
    )


def mutated(content: bytes, edits: Sequence[Change], tokens: Sequence[bytes] = ()) -> bytes:
    """The content with the changes made one after the other."""
    data = bytearray(content)
    for change in edits:
        _apply(data, change, tokens)
    return bytes(data)


def _apply(data: bytearray, change: Change, tokens: Sequence[bytes]) -> None:
    at, source, value = int(change.place * len(data)), int(change.other * len(data)), change.value
    match change.edit:
        case Edit.FLIP:
            data[at : at + 1] = bytes(byte ^ 1 << value % 8 for byte in data[at : at + 1])
        case Edit.SET:
            data[at : at + 1] = bytes([value])
        case Edit.INSERT:
            data[at:at] = bytes([value])
        case Edit.DELETE:
            del data[at : at + 1 + value % 16]
        case Edit.COPY:
            data[at : at + 1 + value % 64] = data[source : source + 1 + value % 64]
        case Edit.CUT:
            del data[at:]
        case Edit.NUMBER:
            number = _NUMBERS[value % len(_NUMBERS)]
            data[at : at + len(number)] = number
        case Edit.TOKEN:
            data[at:at] = tokens[value % len(tokens)] if tokens else b"\0"
