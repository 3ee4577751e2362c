"""Measurements as one plain table, for whoever wants to look at them with tools of their own: CSV, or Parquet.

A row is one number that was read of one model: of a variant under a theta, of the network itself, or of what no pruning
touches. `COLUMNS` says what stands where; a cell is empty (null) where it does not apply.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from detector.base.errors import UsageError
from detector.base.files import write_file
from detector.examples.choice import ImageChoice
from detector.pruning.theta import Theta, theta_to_document
from detector.sweep.readings import ArchitectureReadings

UNTOUCHED, SECONDS = "untouched", "seconds"  # what is read beside signals


class TableFormat(StrEnum):
    """A format of tables, and the ending of their names."""

    CSV = "csv"
    PARQUET = "parquet"


@dataclass(frozen=True)
class Row:
    """One number.

    Attributes
    ----------
    poisoned
        1 or 0.
    theta, variant
        The point of the search space as JSON, and the number of the variant under it, from 0; None where the network is
        as it is. The seconds of a theta are of all its variants together.
    num_images, rule
        How many images it was read on, and whose rule chose them; None where no images are looked at.
    signal, number
        What was read, and which of its numbers; the same name twice where there is one alone.
    """

    architecture: str
    model: str
    poisoned: int
    theta: str | None
    variant: int | None
    num_images: int | None
    rule: str | None
    signal: str
    number: str
    value: float


COLUMNS = tuple(field.name for field in fields(Row))
_TEXT, _WHOLE = ("architecture", "model", "theta", "rule", "signal", "number"), ("poisoned", "variant", "num_images")


def rows(readings: ArchitectureReadings) -> Iterator[Row]:
    """All numbers, model by model."""
    for index, (name, label) in enumerate(zip(readings.names, readings.poisoned.tolist(), strict=True)):
        start = readings.architecture, name, int(label)
        for number, theta in enumerate(readings.thetas):
            yield from _rows_of_theta(start, readings, number, theta, index)
        for signal, values in readings.numbers.items():
            for choice, own in zip(readings.images, values[:, index], strict=True):
                named = zip(readings.number_names[signal], own.tolist(), strict=True)
                yield from (Row(*start, None, None, *_images(choice), signal, key, value) for key, value in named)
        for key, column in readings.untouched.items():
            yield Row(*start, None, None, None, None, UNTOUCHED, key, float(column[index]))


def _rows_of_theta(
    start: tuple[str, str, int], readings: ArchitectureReadings, number: int, theta: Theta, index: int
) -> Iterator[Row]:
    told, images = json.dumps(theta_to_document(theta), separators=(",", ":")), _images(ImageChoice.of(theta))
    for variant, values in enumerate(readings.variants[number][index].tolist()):
        for signal, value in zip(readings.signals, values, strict=True):
            yield Row(*start, told, variant, *images, signal, signal, value)
    yield Row(*start, told, None, *images, SECONDS, SECONDS, float(readings.seconds[number][index]))


def _images(choice: ImageChoice) -> tuple[int, str]:
    return choice.num_images, str(choice.rule)


def check_format(table_format: TableFormat) -> None:
    """Before hours of measuring: can tables of this format be written?

    Raises
    ------
    UsageError
        A package is missing.
    """
    if table_format is TableFormat.PARQUET:
        _pyarrow()


def write_table(folder: Path, readings: Iterable[ArchitectureReadings], table_format: TableFormat) -> Path:
    """Write `measurements.csv` or `.parquet` into the folder, with the rows of all architectures; returns its path.

    Raises
    ------
    UsageError
        It cannot be written, or a package is missing.
    """
    path = folder / f"measurements.{table_format}"
    write_file(path, _WRITERS[table_format]([row for one in readings for row in rows(one)]))
    return path


def _as_csv(table: Sequence[Row]) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(["" if value is None else value for value in _cells(row)] for row in table)
    return file.getvalue().encode()


def _cells(row: Row) -> tuple[Any, ...]:
    return tuple(getattr(row, column) for column in COLUMNS)


def _as_parquet(table: Sequence[Row]) -> bytes:
    pyarrow = _pyarrow()
    import pyarrow.parquet as parquet

    types = dict.fromkeys(_TEXT, pyarrow.string()) | dict.fromkeys(_WHOLE, pyarrow.int32())
    columns = list(zip(*map(_cells, table), strict=True)) or [()] * len(COLUMNS)
    arrays = {
        name: pyarrow.array(column, types.get(name, pyarrow.float64()))
        for name, column in zip(COLUMNS, columns, strict=True)
    }
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table(arrays), buffer, compression="zstd")
    return buffer.getvalue()


_WRITERS: Mapping[TableFormat, Callable[[Sequence[Row]], bytes]] = MappingProxyType(
    {TableFormat.CSV: _as_csv, TableFormat.PARQUET: _as_parquet}
)


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise UsageError(
            "pyarrow is not installed",
            where="--format parquet",
            expected="the optional packages for tables",
            next_step="pip install 'pruning-trojan-detector[tables]', or use --format csv",
        ) from error
    return pyarrow
