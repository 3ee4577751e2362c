"""The one strict reader of JSON: a slip in a file is told, not guessed at.

The text is data, never code, and may be hostile: repeated keys and numbers that JSON does not know, or that no float
holds, are refused, nesting without end is, and the time taken is linear in its length.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from detector.base.files import read_regular


def read_json(path: Path, limit: int) -> Any:
    """What the UTF-8 file at `path`, which may have `limit` bytes, says.

    Raises
    ------
    UnreadableFileError
        The file is not read, see `read_regular`.
    ValueError
        It is not UTF-8 or not strict JSON.
    """
    return parse_json(read_regular(path, limit).decode("utf-8"))


def parse_json(text: str) -> Any:
    """What the text says: dictionaries, lists, texts, finite numbers, truth values and None.

    Raises
    ------
    ValueError
        It is not strict JSON.
    """
    try:
        return json.loads(
            text, object_pairs_hook=_without_repeats, parse_constant=_refuse_constant, parse_float=_finite
        )
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key, value in pairs:
        if key in document:
            raise ValueError(f"key {key!r} is repeated")
        document[key] = value
    return document


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large a number")
    return number
