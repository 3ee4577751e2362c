"""Text and tables of labels in any usual spelling, as spreadsheets, R, pandas and Windows write them.

Byte order marks and UTF-16, commas, semicolons or tabs, 1, 1.0, "1", TRUE: what is meant is read, what is not clear is
an error that says what is there. The files may be hostile: regular files only, limited in bytes and rows.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from detector.base.files import read_regular
from detector.base.limits import LIMITS

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_MODEL_NAME = "model_name"
_FALSE = re.compile(r"0(?:[.,]0*)?|false")
_TRUE = re.compile(r"1(?:[.,]0*)?|true")


@dataclass(frozen=True)
class LabelTable:
    """A METADATA.csv: the label's column, and for each model the texts in it, each once."""

    column: str
    labels: Mapping[str, tuple[str, ...]]


def read_text(path: Path, limit: int) -> str:
    """The text of a file of at most `limit` bytes, in UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Raises
    ------
    UnreadableFileError
        The file is not read, see `read_regular`.
    ValueError
        It is empty, or in none of these encodings.
    """
    content = read_regular(path, limit)
    if not content:
        raise ValueError("it is empty")
    encoding = json.detect_encoding(content)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(f"no {encoding.removesuffix('-sig').upper()} text ({error.reason})") from error
    if not text:
        raise ValueError("it is empty but for a byte order mark")
    return text.removeprefix("\ufeff")


def parse_truth(text: str) -> bool | None:
    """Whether 0 or 1 is meant: digits, also as a decimal number, or true and false; quoted or not. None if neither."""
    word = text.strip().removeprefix('"').removesuffix('"').strip().lower()
    if _TRUE.fullmatch(word):
        return True
    return False if _FALSE.fullmatch(word) else None


def read_label_table(path: Path, columns: Sequence[str]) -> LabelTable:
    """The labels of a table, in the first of `columns` that it has; whatever separates the columns.

    Raises
    ------
    UnreadableFileError
        The file is not read, see `read_regular`.
    ValueError
        It is no text, or has no such columns.
    csv.Error
        It is no table.
    """
    text = read_text(path, LIMITS.texts.table)
    first = text.partition("\n")[0]
    if len(first) > LIMITS.texts.table_header:
        raise ValueError(f"its first line has {len(first)} characters")
    for separator in _SEPARATORS:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        header = [name.strip().lower() for name in next(rows, [])]
        column = next((column for column in columns if column in header), None)
        if column is not None and _MODEL_NAME in header:
            return LabelTable(column, _labels(rows, header.index(_MODEL_NAME), header.index(column)))
    separators = ", ".join(_SEPARATORS.values())
    wanted = f"{_MODEL_NAME} and {' or '.join(columns)}"
    raise ValueError(f"no columns {wanted}, separated by one of {separators}: it begins {first[:60]!r}")


def separated(text: str, column: str) -> Iterator[dict[str, str]]:
    """The rows of a table by the names in its header (small letters), whatever separates the columns.

    Raises
    ------
    ValueError
        It has no such column, a header longer than any table's, or too many rows.
    csv.Error
        It is no table.
    """
    if text.find("\n") > LIMITS.texts.table_header:
        raise ValueError("its first line is too long")
    for separator in _SEPARATORS:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        header = [name.strip().lower() for name in next(rows, [])]
        if column in header:
            return _by_name(rows, header)
    raise ValueError(f"no column {column}")


def _by_name(rows: Iterable[list[str]], header: list[str]) -> Iterator[dict[str, str]]:
    for number, row in enumerate(rows):
        if number == LIMITS.texts.table_rows:
            raise ValueError(f"more than {LIMITS.texts.table_rows} rows")
        yield dict(zip(header, (*map(str.strip, row), *[""] * len(header)), strict=False))


def _labels(rows: Iterable[list[str]], name: int, label: int) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for number, row in enumerate(rows):
        if number == LIMITS.texts.table_rows:
            raise ValueError(f"more than {LIMITS.texts.table_rows} rows")
        if len(row) > name:
            found.setdefault(row[name].strip(), {})[row[label] if len(row) > label else ""] = None
    return {model: tuple(texts) for model, texts in found.items()}
