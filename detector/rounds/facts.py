"""What METADATA.csv says of a model beside its label, in the words that answers are told apart by.

The table is the caller's, in any usual spelling, and may lack every column: what it does not say is None, never an
error. Column names of Rounds 1 to 4 and 11 (TrojAI documentation, and NIST's generators).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from detector.base.errors import UnreadableFileError
from detector.base.limits import LIMITS
from detector.base.text import printable
from detector.rounds.tables import read_text, separated

ALL_CLASSES = "all"
_NOTHING = frozenset({"", "none", "nan", "null"})
_TYPE = re.compile(r"trigger_type|triggers?_[0-9]+_type")
_SOURCE = re.compile(r"triggers?_[0-9]+_source_class")


@dataclass(frozen=True)
class Facts:
    """Of one model, as far as they are known.

    `source_classes` is how many classes may carry a trigger: "1", "2", ..., or "all".
    """

    architecture: str | None = None
    trigger_type: str | None = None
    source_classes: str | None = None


def read_facts(path: Path) -> dict[str, Facts]:
    """The facts of every model in the table, by the model's name; none where it is no such table."""
    try:
        return {row["model_name"]: _facts(row) for row in separated(read_text(path, LIMITS.texts.table), "model_name")}
    except (UnreadableFileError, ValueError, csv.Error):
        return {}


def _facts(row: Mapping[str, str]) -> Facts:
    types = sorted({value for key in row if _TYPE.fullmatch(key) and (value := _known(row, key))})
    return Facts(_known(row, "model_architecture"), "+".join(types) or None, _source_classes(row))


def _known(row: Mapping[str, str], key: str) -> str | None:
    text = row.get(key, "").strip()
    return None if text.lower() in _NOTHING else printable(text)


def _source_classes(row: Mapping[str, str]) -> str | None:
    number, classes = _known(row, "number_triggered_classes"), _known(row, "number_classes")
    if number is not None:
        return None if number == "0" else ALL_CLASSES if number == classes else number
    sources = {value for key in row if _SOURCE.fullmatch(key) and (value := _known(row, key))}
    return str(len(sources)) if sources else None
