"""Reads a round of labelled models as it lies on disk, in every vintage of TrojAI Rounds 1-4.

Models are found by the pattern of their folders' names, labels in METADATA.csv (by column name) and ground_truth.csv,
what is known of their training in model_stats.json. Files are read as plain text, nothing is unpickled. The folder
belongs to the caller but may be incomplete: what cannot be used is listed with its reason and never stops the rest.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from detector.base.errors import UsageError, printable
from detector.rounds.names import FOLDERS

_MODEL_FOLDER = re.compile(r"id-[0-9]{8}")
_METADATA = "METADATA.csv"
_STATISTICS = "model_stats.json"
_LABELS = {"0": False, "false": False, "1": True, "true": True}
_LABEL_COLUMNS = ("poisoned", "ground_truth")  # the latter up to Round 1

# NIST's erratum to Round 1: labelled poisoned, but no trigger was embedded.
_ROUND_1 = re.compile(r"(round[-_ ]?0*1|image-classification-jun2020)(?![0-9])", re.IGNORECASE)
_OTHER_ROUND = re.compile(r"round[-_ ]?[0-9]|image-classification-[a-z]{3}20[0-9]{2}", re.IGNORECASE)
_ERRATA = {"train": (184, 599, 858, 1088), "test": (77, 83)}


@dataclass(frozen=True)
class LabelledModel:
    """A model that may be learned from.

    `name` is the path of its folder within the round, `history` holds the numbers of its model_stats.json, if any.
    """

    name: str
    model_filepath: Path
    examples_dirpath: Path
    poisoned: bool
    history: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class LeftOut:
    """What of a round cannot be used, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Round:
    """The usable models of a folder, sorted by name, and all that is not usable."""

    directory: Path
    name: str
    models: tuple[LabelledModel, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class _Table:
    """A METADATA.csv: the label's column and its text for each model. Without a column there is nothing to be had."""

    column: str | None
    labels: Mapping[str, str]


class _UnusableError(Exception):
    """This member is left out. Never leaves the module."""


def read_round(directory: Path) -> Round:
    """Find the models `id-<8 digits>` in `directory`, or in its folders, and their labels.

    METADATA.csv is looked for beside a model's folder and in `directory`; where there is a ground_truth.csv as well,
    the two must agree.

    Raises
    ------
    UsageError
        `directory` is no folder that can be read.
    """
    models: list[LabelledModel] = []
    left_out: list[LeftOut] = []
    tables: dict[Path, _Table | None] = {}
    for folder in _model_folders(directory):
        name = folder.relative_to(directory).as_posix()
        for place in {folder.parent, directory} - tables.keys():
            tables[place] = _table(place, directory, left_out)
        table = tables[folder.parent] or tables[directory]
        try:
            models.append(_model(name, folder, directory, table))
        except _UnusableError as error:
            left_out.append(LeftOut(name, printable(error)))
    return Round(directory, printable(directory.resolve().name), tuple(models), tuple(left_out))


def _model_folders(directory: Path) -> list[Path]:
    try:
        entries = list(directory.iterdir())
    except OSError as error:
        raise UsageError(
            f"the folder of models cannot be read ({error.strerror})",
            where=directory,
            expected="a folder with the models of a round, id-00000000 and so on",
            next_step="check the path and its permissions",
        ) from error
    inner = [entry for folder in entries if not _MODEL_FOLDER.fullmatch(folder.name) for entry in _entries(folder)]
    return sorted(entry for entry in (*entries, *inner) if _MODEL_FOLDER.fullmatch(entry.name) and entry.is_dir())


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir()) if folder.is_dir() else []
    except OSError:  # somebody else's folder beside the models
        return []


def _table(folder: Path, directory: Path, left_out: list[LeftOut]) -> _Table | None:
    path = folder / _METADATA
    try:
        if not path.exists():
            return None
        with path.open(newline="", encoding="utf-8-sig") as file:
            return _read_table(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        left_out.append(LeftOut(path.relative_to(directory).as_posix(), printable(f"cannot be read ({error})")))
        return None


def _read_table(rows: csv.DictReader[str]) -> _Table:
    names = {(name or "").strip().lower(): name for name in rows.fieldnames or ()}
    column = next((column for column in _LABEL_COLUMNS if column in names), None)
    if column is None or "model_name" not in names:
        raise ValueError("no columns model_name and poisoned or ground_truth")
    return _Table(column, {(row[names["model_name"]] or "").strip(): row[names[column]] or "" for row in rows})


def _model(name: str, folder: Path, directory: Path, table: _Table | None) -> LabelledModel:
    if not (folder / "model.pt").is_file():
        raise _UnusableError("no model.pt")
    if _is_erratum(folder, directory, table):
        raise _UnusableError("NIST's erratum to Round 1: labelled poisoned, but no trigger was embedded")
    poisoned = _label(folder, table)
    examples = next((folder / name for name in FOLDERS if (folder / name).is_dir()), None)
    if examples is None:
        raise _UnusableError(f"no folder of clean examples ({', '.join(FOLDERS)})")
    history = _history(folder)
    if history.get("converged") == 0:
        raise _UnusableError("its training did not converge")
    return LabelledModel(name, folder / "model.pt", examples, poisoned, history)


def _history(folder: Path) -> dict[str, float]:
    """The finite numbers of model_stats.json, truth values as 0 and 1; what cannot be read is not known."""
    try:
        values = json.loads((folder / _STATISTICS).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    numbers = values.items() if isinstance(values, dict) else ()
    return {name: float(value) for name, value in numbers if isinstance(value, float | int) and _is_finite(value)}


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False


def _label(folder: Path, table: _Table | None) -> bool:
    found = dict(_labels(folder, table))
    if not found:
        raise _UnusableError("no label: neither METADATA.csv nor ground_truth.csv has one")
    if len(set(found.values())) > 1:
        raise _UnusableError("contradictory labels: " + ", ".join(f"{name} says {int(found[name])}" for name in found))
    return next(iter(found.values()))


def _labels(folder: Path, table: _Table | None) -> Iterator[tuple[str, bool]]:
    if table is not None and folder.name in table.labels:
        yield _METADATA, _parsed(table.labels[folder.name], _METADATA)
    path = folder / "ground_truth.csv"
    if path.exists():
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise _UnusableError(f"{path.name} cannot be read ({error})") from error
        yield path.name, _parsed(text, path.name)


def _parsed(text: str, where: str) -> bool:
    label = _LABELS.get(text.strip().lower())
    if label is None:
        raise _UnusableError(f"{where} holds {text[:20]!r} where 0 or 1 is expected")
    return label


def _is_erratum(folder: Path, directory: Path, table: _Table | None) -> bool:
    number = int(folder.name.removeprefix("id-"))
    return any(number in _ERRATA[split] for split in _round_1_splits(folder, directory, table))


def _round_1_splits(folder: Path, directory: Path, table: _Table | None) -> tuple[str, ...]:
    """Which of Round 1's errata apply: by the names of the folders, or, if they name no round, by METADATA.csv."""
    root = directory.resolve()
    root = root.parent if root.name == "models" else root  # Round 1's layout, entered
    names = (root.name, *folder.relative_to(directory).parts)
    named = next((index for index, name in enumerate(names) if _ROUND_1.search(name)), None)
    if named is not None:
        below = "/".join(names[named:]).lower()
        return () if "holdout" in below else ("test",) if "test" in below else ("train",)
    old_metadata = table is not None and table.column == "ground_truth"
    return ("train",) if old_metadata and not any(map(_OTHER_ROUND.search, names)) else ()
