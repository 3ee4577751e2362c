"""The typed errors of the detector and the exit codes they map to.

Every error says what is wrong, where, what was expected and what to do next, in one line that fits a log. Nothing
here trusts the text it is given (`base.text`): an error message can neither forge log lines nor flood them.
"""

from __future__ import annotations

from enum import IntEnum

from detector.base.text import printable as printable  # of old, text is cleaned where errors are made


class ExitCode(IntEnum):
    """What the process tells its caller. The result file holds 0.5 for every code of `infer` but ANSWERED."""

    ANSWERED = 0
    INTERNAL = 1
    USAGE = 2
    MODEL_REFUSED = 3
    EXAMPLES_UNUSABLE = 4
    PARAMETERS_INVALID = 5
    DEADLINE = 6
    NOTHING_LEARNED = 7  # `configure` has written a bundle that knows nothing but the base rate


class DetectorError(Exception):
    """Base of all expected failures.

    Parameters
    ----------
    what
        What is wrong, naming the offending entry.
    where
        The file, entry or option it was found in.
    expected
        What would have been accepted.
    next_step
        What the user can do about it.
    """

    exit_code = ExitCode.INTERNAL

    def __init__(self, what: str, *, where: object, expected: str, next_step: str) -> None:
        self.what = printable(what)
        self.where = printable(where)
        self.expected = printable(expected)
        self.next_step = printable(next_step)
        super().__init__(str(self))

    def __str__(self) -> str:
        return f"{self.where}: {self.what} (expected {self.expected}); {self.next_step}"


class UsageError(DetectorError):
    """The command line cannot be acted on."""

    exit_code = ExitCode.USAGE


class UnreadableFileError(UsageError):
    """A file is not read: missing, no regular file, too large. Rooms that know what it is for say it in their error."""


class ModelRefusedError(DetectorError):
    """The model file is not used. Base of the two reasons why."""

    exit_code = ExitCode.MODEL_REFUSED


class UnsafeModelError(ModelRefusedError):
    """The model file holds something that a trained classifier never needs (code, hooks, resource bombs)."""


class CorruptModelError(ModelRefusedError):
    """The model file is damaged or is not a model file at all."""


class ExamplesError(DetectorError):
    """The example images cannot be measured with."""

    exit_code = ExitCode.EXAMPLES_UNUSABLE


class ParametersError(DetectorError):
    """Metaparameters, their schema or the learned parameters are invalid."""

    exit_code = ExitCode.PARAMETERS_INVALID


class DeadlineError(DetectorError):
    """The time budget ended before anything was measured."""

    exit_code = ExitCode.DEADLINE
