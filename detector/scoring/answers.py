"""The answers of a detector to the models of a round, a row each, as a table on disk.

The table is written row by row while models are judged, so that a kill loses at most the row in hand: a last line
without its end is dropped when it is read. What it says is checked when it is read, for it may have been edited.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from detector.base.errors import UnreadableFileError, UsageError
from detector.base.files import NEUTRAL, read_regular, write_file
from detector.base.limits import LIMITS
from detector.report.explanation import NOT_VALIDATED
from detector.report.verdict import Judgement

NOT_ANSWERED = "not answered"
UNVALIDATED = "not_validated"  # the code for every reason; tables before it hold those of the findings alone
_TRUTH = {True: "1", False: "0", None: ""}
_UNTRUTH = {text: truth for truth, text in _TRUTH.items()}


@dataclass(frozen=True)
class Answer:
    """What a detector says of one model, and what is known of the model.

    Attributes
    ----------
    model
        The path of its folder within the round.
    architecture
        As identified; where it was not, as METADATA.csv has it, or "".
    truth
        Whether it is poisoned; None where that is not known.
    probability
        What `infer` would leave in its result file: 0.5 where there is no answer.
    verdict, basis
        The answer in a word, and what it rests on, as in the report.
    seconds
        From the beginning of its judgement to the end, start-up of the process not counted.
    exit_code
        Of `infer`; None where the model was not judged at all.
    findings
        Severity and code of each, e.g. "warning:configuration_dropped"; "warning:not_validated" is added to them where
        `infer` says NOT VALIDATED.
    trigger_type, source_classes
        As METADATA.csv has them, "" where it does not say.
    error
        Why there is no answer, "" where there is one.
    """

    model: str
    architecture: str = ""
    truth: bool | None = None
    probability: float = NEUTRAL
    verdict: str = NOT_ANSWERED
    basis: str = "neutral"
    seconds: float = 0.0
    exit_code: int | None = None
    findings: tuple[str, ...] = ()
    trigger_type: str = ""
    source_classes: str = ""
    error: str = ""

    @property
    def is_missing(self) -> bool:
        """Whether there is no answer, so that 0.5 stands for one, as in NIST's harness."""
        return self.exit_code != 0

    @property
    def verdict_in_words(self) -> str:
        """The verdict, and where it is a side, that the bundle was not judged on networks like this one."""
        decided = self.verdict in (Judgement.POISONED, Judgement.CLEAN)
        doubtful = decided and not self._codes.isdisjoint({UNVALIDATED, *NOT_VALIDATED})
        return f"{self.verdict}, not validated" if doubtful else self.verdict

    @property
    def is_cheaper(self) -> bool:
        """Whether a cheaper configuration judged it, for lack of time; not where there was no time for any."""
        return not self.is_missing and "configuration_dropped" in self._codes and "out_of_time" not in self._codes

    @property
    def _codes(self) -> frozenset[str]:
        return frozenset(finding.rpartition(":")[2] for finding in self.findings)


COLUMNS = tuple(field.name for field in fields(Answer))


def in_order(answers: Iterable[Answer]) -> tuple[Answer, ...]:
    """Sorted by model."""
    return tuple(sorted(answers, key=lambda answer: answer.model))


def write_answers(path: Path, answers: Iterable[Answer]) -> None:
    """Replace the table as a whole, its rows sorted by model.

    Raises
    ------
    UsageError
        The file cannot be written there.
    """
    write_file(path, (_lines([COLUMNS]) + _lines(map(_cells, in_order(answers)))).encode())


def append_answer(path: Path, answer: Answer) -> None:
    """Add a row at the end of a table that is there, durably.

    Raises
    ------
    UsageError
        The file cannot be written.
    """
    try:
        with path.open("ab") as file:
            file.write(_lines([_cells(answer)]).encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UsageError(
            f"cannot be written ({error.strerror})",
            where=path,
            expected="a table of answers, and room on its disk",
            next_step="make room or give another folder; what was answered stays, and the same command goes on",
        ) from error


def read_answers(path: Path) -> tuple[Answer, ...]:
    """The rows of a table; a last line that a kill cut short is left out.

    Raises
    ------
    UsageError
        The file is not read, or is no such table.
    """
    content = read_regular(path, LIMITS.texts.answers)
    try:
        whole = content[: content.rfind(b"\n") + 1].decode("utf-8")
        header, *rows = list(csv.reader(io.StringIO(whole, newline=""), strict=True))
        if tuple(header) != COLUMNS:
            raise ValueError(f"its columns are {', '.join(header)[:200]}")
        return tuple(_answer(row) for row in rows)
    except UnreadableFileError:
        raise
    except (ValueError, csv.Error) as error:
        raise _no_table(path, str(error)) from error


def _no_table(path: Path, what: str) -> UsageError:
    return UsageError(
        f"is no table of answers: {what}",
        where=path,
        expected=f"a CSV file with the columns {', '.join(COLUMNS)}, as `evaluate` writes it",
        next_step="check the path; or remove the file, and `evaluate` judges its models again",
    )


def _lines(rows: Iterable[Sequence[str]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue()


def _cells(answer: Answer) -> list[str]:
    return [
        answer.model,
        answer.architecture,
        _TRUTH[answer.truth],
        repr(answer.probability),
        answer.verdict,
        answer.basis,
        f"{answer.seconds:.3f}",
        "" if answer.exit_code is None else str(answer.exit_code),
        " ".join(answer.findings),
        answer.trigger_type,
        answer.source_classes,
        answer.error,
    ]


def _answer(row: Sequence[str]) -> Answer:
    if len(row) != len(COLUMNS):
        raise ValueError(f"a row of {len(row)} cells: {','.join(row)[:100]}")
    cells = dict(zip(COLUMNS, row, strict=True))
    if cells["truth"] not in _UNTRUTH:
        raise ValueError(f"{cells['model']}: the truth {cells['truth']!r} is neither 0, 1 nor empty")
    return Answer(
        model=cells["model"],
        architecture=cells["architecture"],
        truth=_UNTRUTH[cells["truth"]],
        probability=_number(cells, "probability", most=1),
        verdict=cells["verdict"],
        basis=cells["basis"],
        seconds=_number(cells, "seconds"),
        exit_code=int(cells["exit_code"]) if cells["exit_code"] else None,
        findings=tuple(cells["findings"].split()),
        trigger_type=cells["trigger_type"],
        source_classes=cells["source_classes"],
        error=cells["error"],
    )


def _number(cells: dict[str, str], column: str, most: float = math.inf) -> float:
    value = float(cells[column])
    if not 0 <= value <= most:  # false for NaN too
        raise ValueError(f"{cells['model']}: {column} is {value}")
    return value
