"""The program as a process: parses the command line, calls, maps errors to exit codes, prints.

`entrypoint.py` of a checkout and of the container is this, and so is the console script `trojan-detector`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn, TextIO

from detector.base.clock import SystemClock, process_started
from detector.base.errors import DetectorError, ExitCode, UsageError, printable
from detector.base.files import NEUTRAL, write_probability
from detector.base.interrupts import release_interrupts
from detector.base.log import LogFormat, log_to_stderr, tell_error
from detector.base.process import (
    keep_freed_memory,
    leave,
    leave_deleted_directory,
    use_one_thread_a_call,
    without_garbage_collection,
)
from detector.base.resources import data_directory
from detector.commands.arguments import Output
from detector.commands.cli import Command, ConfigureCommand, InferCommand, named_log_format, named_result, parse
from detector.commands.evaluate_arguments import EvaluateCommand
from detector.commands.outputs import begin_outputs

CONSOLE_SCRIPT = "trojan-detector"
_RUN = "detector.commands.run"
_INTERRUPTED = 130  # as shells report Ctrl-C
_WITH_WORKERS = frozenset({"detector.base.pool", "detector.commands.configure"})


def program(name: str = CONSOLE_SCRIPT) -> NoReturn:
    """Run the command line of this process and end it. `name` is what `--help` calls the program."""
    use_one_thread_a_call()
    keep_freed_memory()
    code = main(sys.argv[1:], name)
    if not sys.modules.keys().isdisjoint(_WITH_WORKERS):  # it has had worker processes: an end in order
        sys.exit(code)
    leave(code)


def main(arguments: Sequence[str], name: str = CONSOLE_SCRIPT) -> int:
    """Run one command line and return its exit code."""
    log_format, command = named_log_format(arguments), None
    try:
        command = _parsed(arguments, name)
        log_to_stderr(log_format, _level(command.output))
        if isinstance(command, InferCommand):
            with contextlib.suppress(UsageError):  # `run` tells it
                begin_outputs(command)
        release_interrupts()
        _leave_deleted_directory(command)
        # Imported here, for it takes most of a second: whoever is killed in it has left a neutral answer.
        with contextlib.nullcontext() if _RUN in sys.modules else without_garbage_collection():
            from detector.commands.run import Circumstances, run

        date = datetime.now(UTC).isoformat(timespec="seconds")
        words = (name, *arguments)
        shown = {"colour": _colours(), "terminal": _is_terminal(sys.stderr)}
        told = run(command, Circumstances(SystemClock(), process_started(), date, words, **shown))
        if told.text and not command.output.quiet:
            _show(told.text)
        if told.error is not None and not _was_read(told.error, told.text, command, log_format):
            raise told.error
        return told.code
    except DetectorError as error:
        tell_error(str(error), log_format)
        return error.exit_code
    except KeyboardInterrupt:
        if isinstance(command, ConfigureCommand | EvaluateCommand):
            tell_error(_interrupted(command), log_format)
        return _INTERRUPTED
    except Exception as error:  # a fault of ours: one line for the log, the result file keeps its 0.5
        tell_error(f"internal fault: {printable(repr(error))}; please report it with report.json", log_format)
        return ExitCode.INTERNAL


def _was_read(error: Exception, text: str, command: Command, log_format: LogFormat) -> bool:
    """Whether somebody who looks at both streams has the whole error in the verdict already; a log always gets it."""
    if not isinstance(command, InferCommand) or command.as_json or command.output.quiet or log_format is LogFormat.JSON:
        return False
    watched = all(stream is not None and stream.isatty() for stream in (sys.stdout, sys.stderr))
    return watched and "".join(str(error).split()) in "".join(text.split())


def _interrupted(command: ConfigureCommand | EvaluateCommand) -> str:
    """What is kept of hours of measuring."""
    if isinstance(command, EvaluateCommand):
        return f"interrupted; the same command continues, the answers are in {printable(command.output_dirpath)}"
    if command.scratch_dirpath is None:
        return "interrupted; nothing is kept, for no --scratch_dirpath was given"
    return f"interrupted; the same command continues, what was measured is in {printable(command.scratch_dirpath)}"


def _level(output: Output) -> int:
    if output.quiet:
        return logging.ERROR
    return logging.INFO if output.verbose else logging.WARNING


def _colours() -> bool:
    """Whether stdout is a terminal that shows colours, and nobody has asked for none (https://no-color.org)."""
    return not os.environ.get("NO_COLOR") and _is_terminal(sys.stdout)


def _is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody looks at it who can see more than lines."""
    return os.environ.get("TERM") != "dumb" and stream is not None and stream.isatty()


def _parsed(arguments: Sequence[str], name: str) -> Command:
    """The command; where there is none, a result file that was named loses its old answer all the same."""
    try:
        return parse(arguments, data_directory(), name)
    except DetectorError:
        result = named_result(arguments)
        if result is not None:
            with contextlib.suppress(UsageError):  # the first error is the one to tell
                write_probability(result, NEUTRAL)
        raise


def _leave_deleted_directory(command: Command) -> None:
    relative = [value for value in vars(command).values() if isinstance(value, Path) and not value.is_absolute()]
    if leave_deleted_directory() and relative:
        raise UsageError(
            "the working directory has been deleted",
            where=relative[0],
            expected="absolute paths, or a working directory that exists",
            next_step="change to a directory that exists",
        )


def _show(text: str) -> None:
    """Print, what the output's alphabet lacks escaped; that nobody reads on (a closed pipe, a full disk) takes nothing
    from the answer.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except OSError:
        sys.stdout = None  # or it would be tried again at the end
