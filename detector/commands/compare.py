"""The command `compare` as a story: read two evaluations of one round, pair their answers, say what differs."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from detector.base.errors import UsageError
from detector.scoring.comparison import Comparison, compare
from detector.scoring.folder import EvaluationFolder
from detector.scoring.text import comparison_text


def compare_evaluations(first: Path, second: Path) -> Comparison:
    """Compare what two folders of evaluations hold.

    Raises
    ------
    UsageError
        One is no such folder, or they are not evaluations of the same models under the same labels.
    """
    rounds = [EvaluationFolder(folder).terms().round for folder in (first, second)]
    if rounds[0] != rounds[1]:
        raise UsageError(
            f"the first are answers to {rounds[0]}, the second to {rounds[1]}",
            where=second,
            expected="two evaluations of one round",
            next_step="evaluate the same folder of models twice",
        )
    return compare(EvaluationFolder(first).answers(), EvaluationFolder(second).answers())


def compared_text(first: Path, second: Path, *, as_json: bool) -> str:
    """The comparison for people, or as JSON.

    Raises
    ------
    UsageError
        As `compare_evaluations`.
    """
    comparison = compare_evaluations(first, second)
    if as_json:
        return json.dumps(asdict(comparison), indent=2, allow_nan=False)
    return comparison_text((str(first), str(second)), comparison)
