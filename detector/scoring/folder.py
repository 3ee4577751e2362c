"""The folder of an evaluation: its terms, the answers as they come, and what they are worth.

`results.csv` holds the answers; each shard writes a `results-<i>-of-<n>.csv` of its own, so that many machines can
write into one folder, and everything is read together. The folder is the caller's; what it holds is checked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from detector.base.errors import ExitCode, UsageError
from detector.base.files import write_file
from detector.base.limits import LIMITS
from detector.base.strict_json import read_json
from detector.rounds.reading import LeftOut
from detector.scoring.answers import Answer, append_answer, read_answers, write_answers
from detector.scoring.metrics import RoundMetrics
from detector.scoring.round_page import round_page
from detector.scoring.terms import Terms

RESULTS = "results.csv"
METRICS = "metrics.json"
PAGE = "round.html"
_TERMS = "evaluation.json"
_SHARDS = "results-*-of-*.csv"
FORMAT_VERSION = 1

_T = TypeVar("_T")


@dataclass(frozen=True)
class Shard:
    """The models number i, i + n, i + 2n, ... of a round, `number` i counted from 1, `count` n."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """From "i/n".

        Raises
        ------
        UsageError
            It is no such text.
        """
        number, slash, count = text.partition("/")
        try:
            shard = cls(int(number), int(count))
        except ValueError:
            shard = cls(0, 0)
        if not slash or not 1 <= shard.number <= shard.count:
            raise UsageError(
                f"{text!r} is no shard",
                where="--shard",
                expected="i/n with i from 1 to n, such as 3/8",
                next_step="give each job of an array its own i and the same n",
            )
        return shard

    def part(self, items: Sequence[_T]) -> Sequence[_T]:
        """The items that are this shard's."""
        return items[self.number - 1 :: self.count]

    @property
    def file_name(self) -> str:
        """Of its table of answers."""
        return f"results-{self.number}-of-{self.count}.csv"


class EvaluationFolder:
    """Where the answers of one evaluation are kept; where there is a shard, in a table of its own."""

    def __init__(self, directory: Path, shard: Shard | None = None) -> None:
        self.directory = directory
        self._own = directory / (shard.file_name if shard else RESULTS)

    def begin(self, terms: Terms) -> dict[str, Answer]:
        """Make the folder ready for answers under these terms, and return those that it has, by model.

        Raises
        ------
        UsageError
            It cannot be written, holds answers under other terms, or what it holds is no table of answers.
        """
        if (self.directory / _TERMS).exists():
            self._agree(terms)
        else:
            write_file(self.directory / _TERMS, _json({"format_version": FORMAT_VERSION, **terms.to_document()}))
        write_answers(self._own, read_answers(self._own) if self._own.exists() else ())  # less a line cut short
        return self.answers()

    def replace(self, terms: Terms, answers: Iterable[Answer]) -> None:
        """Keep these answers under these terms, in place of all that was there; nothing is scored.

        Raises
        ------
        UsageError
            A file cannot be written.
        """
        self.clear()
        write_file(self.directory / _TERMS, _json({"format_version": FORMAT_VERSION, **terms.to_document()}))
        write_answers(self.directory / RESULTS, answers)

    def clear(self) -> None:
        """Remove answers and what they were worth, if there are any.

        Raises
        ------
        UsageError
            A file cannot be removed.
        """
        for name in (METRICS, PAGE, RESULTS, _TERMS):
            _remove(self.directory / name)

    def _agree(self, terms: Terms) -> None:
        differing = terms.differing(self.terms())
        if differing:
            told = (f"{name} ({there} there, {asked} asked for)" for name, (asked, there) in differing.items())
            raise UsageError(
                f"another evaluation is there: it differs in {', '.join(told)}",
                where=self.directory,
                expected="an empty folder, or an evaluation of the same round by the same detector",
                next_step="give another --output, or the same options as before",
            )

    def terms(self) -> Terms:
        """What the answers were given under.

        Raises
        ------
        UsageError
            It is no folder of an evaluation.
        """
        path = self.directory / _TERMS
        if not path.exists():
            raise UsageError(
                f"no evaluation is there: it has no {_TERMS}",
                where=self.directory,
                expected="a folder that `evaluate` or `configure` has written its answers into",
                next_step="give the --output of an evaluation",
            )
        try:
            return Terms.from_document(read_json(path, LIMITS.texts.terms))
        except ValueError as error:
            raise UsageError(
                f"cannot be used: {error}",
                where=path,
                expected="the file that `evaluate` writes into its output folder",
                next_step="give the --output of an evaluation",
            ) from error

    def answers(self) -> dict[str, Answer]:
        """All that is there, of every shard, by model; an internal fault gives way to any other answer.

        Raises
        ------
        UsageError
            A file is not read, or is no table of answers.
        """
        results = self.directory / RESULTS
        tables = [*sorted(self.directory.glob(_SHARDS)), *([results] if results.exists() else [])]
        found: dict[str, Answer] = {}
        for answer in (answer for path in tables for answer in read_answers(path)):
            if answer.model not in found or found[answer.model].exit_code == ExitCode.INTERNAL:
                found[answer.model] = answer
        return found

    def add(self, answer: Answer) -> None:
        """Keep an answer, at once and durably.

        Raises
        ------
        UsageError
            The table cannot be written.
        """
        append_answer(self._own, answer)

    def finish(self, answers: Sequence[Answer], metrics: RoundMetrics, remarks: Sequence[LeftOut]) -> None:
        """Put all answers into `results.csv`, sorted, and what they are worth beside it.

        Raises
        ------
        UsageError
            A file cannot be written.
        """
        write_answers(self.directory / RESULTS, [answer for answer in answers if answer.exit_code is not None])
        write_file(self.directory / METRICS, _json(metrics_document(metrics, remarks)))
        write_file(self.directory / PAGE, round_page(self.terms(), answers, metrics, remarks).encode())


def metrics_document(metrics: RoundMetrics, remarks: Sequence[LeftOut]) -> dict[str, Any]:
    """The JSON form."""
    left_out = [asdict(one) for one in remarks]
    return {"format_version": FORMAT_VERSION, **asdict(metrics), "remarks": left_out}


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot be removed ({error.strerror})",
            where=path,
            expected="a folder that may be written",
            next_step="check its permissions, or give another folder",
        ) from error


def _json(document: dict[str, Any]) -> bytes:
    return (json.dumps(document, indent=2, allow_nan=False) + "\n").encode()
