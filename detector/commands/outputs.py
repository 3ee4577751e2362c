"""The files that `infer` leaves, and that none of an earlier run is there when it begins.

Harnesses use one scratch folder for many models, and a kill may leave no time to write: whatever stands there must be
about this model, or neutral. Imports nothing that takes time.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from detector.base.files import NEUTRAL, write_probability
from detector.commands.cli import InferCommand

REPORT = "report.json"
LOGITS = "logits.npz"


def begin_outputs(command: InferCommand) -> None:
    """Remove what an earlier run has left, then write the neutral answer: an old report beside it would mislead.

    Raises
    ------
    UsageError
        The result file cannot be written.
    """
    for path in _earlier(command):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    write_probability(command.result_filepath, NEUTRAL)


def _earlier(command: InferCommand) -> list[Path]:
    asked = [path for path in (command.features_filepath, command.html_filepath) if path]
    return [command.scratch_dirpath / REPORT, command.scratch_dirpath / LOGITS, *asked]
