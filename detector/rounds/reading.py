"""Reads a round of labelled models as it lies on disk, whichever of the registry's rounds it is.

Models are found by the pattern of their folders' names, labels in METADATA.csv (by column name) and ground_truth.csv,
what is known of their training in model_stats.json. Files are read as plain text, regular files alone, nothing is
unpickled; links to regular files and folders are followed. The folder belongs to the caller but may be incomplete:
what cannot be used is listed with its reason and never stops the rest.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from detector.base.errors import UnreadableFileError, UsageError, printable
from detector.base.limits import LIMITS
from detector.rounds.facts import Facts, read_facts
from detector.rounds.layout import Errata
from detector.rounds.registry import FOLDERS, LABEL_COLUMNS, ROUNDS
from detector.rounds.tables import LabelTable, parse_truth, read_label_table, read_text

_MODEL_FOLDER = re.compile(r"id-[0-9]{8}")
_METADATA = "METADATA.csv"
_STATISTICS = "model_stats.json"
_OTHER_ROUND = re.compile(r"round[-_ ]?[0-9]|image-classification-[a-z]{3}20[0-9]{2}", re.IGNORECASE)


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
    """The usable models of a folder, sorted by name, all that is not usable, and folders of models of other names."""

    directory: Path
    name: str
    models: tuple[LabelledModel, ...]
    left_out: tuple[LeftOut, ...]
    misnamed: tuple[LeftOut, ...] = ()


@dataclass(frozen=True)
class Member:
    """A model to be judged: everything about it but its name may be missing.

    `poisoned` is None where no label can be believed, and `remark` says why.
    """

    name: str
    model_filepath: Path
    examples_dirpath: Path
    poisoned: bool | None
    facts: Facts
    remark: str | None = None


@dataclass(frozen=True)
class Members:
    """All models of a folder, sorted by name, usable or not, and folders of models of other names."""

    name: str
    members: tuple[Member, ...]
    misnamed: tuple[LeftOut, ...] = ()


class _UnusableError(Exception):
    """This member is left out. Never leaves the module."""


def read_round(directory: Path) -> Round:
    """Find the models `id-<8 digits>` in `directory`, or in its folders, and their labels.

    METADATA.csv is looked for beside a model's folder and in `directory`; where there is a ground_truth.csv as well,
    the two must agree.

    Raises
    ------
    UsageError
        `directory` is no folder that can be read, or its models lie in folders of other names alone.
    """
    models: list[LabelledModel] = []
    left_out: list[LeftOut] = []
    tables: dict[Path, LabelTable | None] = {}
    folders, misnamed = _model_folders(directory)
    for folder in folders:
        name = folder.relative_to(directory).as_posix()
        for place in {folder.parent, directory} - tables.keys():
            tables[place] = _table(place, directory, left_out)
        table = tables[folder.parent] or tables[directory]
        try:
            models.append(_model(name, folder, directory, table))
        except _UnusableError as error:
            left_out.append(LeftOut(name, printable(error)))
    return Round(directory, printable(directory.resolve().name), tuple(models), tuple(left_out), misnamed)


def read_members(directory: Path) -> Members:
    """Find the models of a folder as `read_round` does, whether or not they can be learned from or have a label.

    Raises
    ------
    UsageError
        `directory` is no folder that can be read, or no model is in it.
    """
    folders, misnamed = _model_folders(directory)
    if not folders:
        raise _no_round(directory, "no folder is named id- and eight digits")
    places = {directory, *(folder.parent for folder in folders)}
    tables = {place: _table(place, directory, []) for place in places}
    facts = {place: read_facts(place / _METADATA) for place in places if (place / _METADATA).exists()}
    members = [
        _member(
            folder,
            directory,
            tables[folder.parent] or tables[directory],
            (facts.get(folder.parent) or facts.get(directory) or {}).get(folder.name, Facts()),
        )
        for folder in folders
    ]
    return Members(printable(directory.resolve().name), tuple(members), misnamed)


def _member(folder: Path, directory: Path, table: LabelTable | None, facts: Facts) -> Member:
    poisoned: bool | None = None
    try:
        remark = _erratum(folder, directory, table)
        poisoned = _label(folder, table) if remark is None else None
    except _UnusableError as error:
        remark = printable(error)
    name = folder.relative_to(directory).as_posix()
    return Member(name, folder / "model.pt", _examples(folder) or folder / FOLDERS[0], poisoned, facts, remark)


def _examples(folder: Path) -> Path | None:
    """The folder of clean examples, by the first name of any round that is there."""
    return next((folder / name for name in FOLDERS if (folder / name).is_dir()), None)


def _model_folders(directory: Path) -> tuple[list[Path], tuple[LeftOut, ...]]:
    """The folders of models, and those that hold a model but are named otherwise."""
    try:
        entries = list(directory.iterdir())
    except OSError as error:
        raise _no_round(directory, f"the folder of models cannot be read ({error.strerror})") from error
    inner = [entry for folder in entries if not _MODEL_FOLDER.fullmatch(folder.name) for entry in _entries(folder)]
    found = sorted(entry for entry in (*entries, *inner) if _MODEL_FOLDER.fullmatch(entry.name) and entry.is_dir())
    misnamed = _misnamed(directory, sorted((*entries, *inner)))
    if not found and (directory / "model.pt").is_file():
        next_step = "give the folder that it lies in, or judge the model alone (`infer`)"
        raise _no_round(directory, "this is the folder of one model", next_step)
    if not found and misnamed:
        first = f"{len(misnamed)} folders hold a model.pt, the first is {misnamed[0].name}"
        raise _no_round(directory, f"no folder is named id- and eight digits; {first}")
    return found, misnamed


def _misnamed(directory: Path, entries: list[Path]) -> tuple[LeftOut, ...]:
    reason = "holds a model.pt, but is not named id- and eight digits"
    return tuple(
        LeftOut(printable(entry.relative_to(directory).as_posix()), reason)
        for entry in entries
        if not entry.name.startswith(".") and not _MODEL_FOLDER.fullmatch(entry.name) and _holds_model(entry)
    )


def _holds_model(folder: Path) -> bool:
    try:
        return (folder / "model.pt").is_file()
    except OSError:  # somebody else's folder beside the models
        return False


def _no_round(
    directory: Path,
    what: str,
    next_step: str = "check the path and its permissions, or rename the models' folders, and in METADATA.csv as well",
) -> UsageError:
    return UsageError(
        what,
        where=directory,
        expected="a folder with the models of a round, id-00000000 and so on",
        next_step=next_step,
    )


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir()) if folder.is_dir() else []
    except OSError:  # somebody else's folder beside the models
        return []


def _table(folder: Path, directory: Path, left_out: list[LeftOut]) -> LabelTable | None:
    path = folder / _METADATA
    try:
        return read_label_table(path, LABEL_COLUMNS) if path.exists() else None
    except (OSError, UnreadableFileError, ValueError, csv.Error) as error:
        left_out.append(LeftOut(path.relative_to(directory).as_posix(), printable(_cannot_be_read(error))))
        return None


def _cannot_be_read(error: Exception) -> str:
    return error.what if isinstance(error, UnreadableFileError) else f"cannot be read ({error})"


def _model(name: str, folder: Path, directory: Path, table: LabelTable | None) -> LabelledModel:
    if not (folder / "model.pt").is_file():
        raise _UnusableError("no model.pt")
    erratum = _erratum(folder, directory, table)
    if erratum is not None:
        raise _UnusableError(erratum)
    poisoned = _label(folder, table)
    examples = _examples(folder)
    if examples is None:
        raise _UnusableError(f"no folder of clean examples ({', '.join(FOLDERS)})")
    history = _history(folder)
    if history.get("converged") == 0:
        raise _UnusableError("its training did not converge")
    return LabelledModel(name, folder / "model.pt", examples, poisoned, history)


def _history(folder: Path) -> dict[str, float]:
    """The finite numbers of model_stats.json, truth values as 0 and 1; what cannot be read is not known."""
    try:
        # Not strictly: NIST's writer puts NaN there, and a slip in it costs no label.
        values = json.loads(read_text(folder / _STATISTICS, LIMITS.texts.statistics))
    except (UnreadableFileError, ValueError, RecursionError):
        return {}
    numbers = values.items() if isinstance(values, dict) else ()
    return {name: float(value) for name, value in numbers if isinstance(value, float | int) and _is_finite(value)}


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False


def _label(folder: Path, table: LabelTable | None) -> bool:
    found = list(_labels(folder, table))
    if not found:
        raise _UnusableError("no label: neither METADATA.csv nor ground_truth.csv has one")
    if len({label for _, label in found}) > 1:
        raise _UnusableError("contradictory labels: " + ", ".join(f"{name} says {int(label)}" for name, label in found))
    return found[0][1]


def _labels(folder: Path, table: LabelTable | None) -> Iterator[tuple[str, bool]]:
    for text in table.labels.get(folder.name, ()) if table is not None else ():
        yield _METADATA, _parsed(text, _METADATA)
    path = folder / "ground_truth.csv"
    if path.exists():
        try:
            text = read_text(path, LIMITS.texts.truth)
        except (UnreadableFileError, ValueError) as error:
            raise _UnusableError(f"{path.name} {_cannot_be_read(error)}") from error
        yield path.name, _parsed(text, path.name)


def _parsed(text: str, where: str) -> bool:
    label = parse_truth(text)
    if label is None:
        raise _UnusableError(f"{where} holds {text[:20]!r} where 0 or 1 is expected")
    return label


def _erratum(folder: Path, directory: Path, table: LabelTable | None) -> str | None:
    """Why the model is not to be learned from, by the errata of its round."""
    number = int(folder.name.removeprefix("id-"))
    for errata, split in _errata(folder, directory, table):
        if number in errata.models.get(split, ()):
            return errata.reason
    return None


def _errata(folder: Path, directory: Path, table: LabelTable | None) -> Iterator[tuple[Errata, str]]:
    """Which errata apply, of which split: by the names of the folders, or, if they name no round, by METADATA.csv."""
    root = directory.resolve()
    root = root.parent if root.name == "models" else root  # Round 1's layout, entered
    names = (root.name, *folder.relative_to(directory).parts)
    for layout in (layout for layout in ROUNDS.values() if layout.errata is not None):
        assert layout.errata is not None
        named = next((index for index, name in enumerate(names) if layout.is_named_in(name)), None)
        if named is not None:
            below = "/".join(names[named:]).lower()
            if "holdout" not in below:
                yield layout.errata, "test" if "test" in below else "train"
        elif table is not None and _is_of_no_other_round(layout.label_column, table, names):
            yield layout.errata, "train"


def _is_of_no_other_round(column: str, table: LabelTable, names: tuple[str, ...]) -> bool:
    alike = [layout for layout in ROUNDS.values() if layout.label_column == column]
    return len(alike) == 1 and table.column == column and not any(map(_OTHER_ROUND.search, names))
