"""The program as a process: parses the command line, calls, maps errors to exit codes, prints.

`entrypoint.py` of a checkout and of the container is this, and so is the console script `trojan-detector`.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from detector.base.clock import SystemClock, process_started
from detector.base.errors import DetectorError, ExitCode, UsageError, printable
from detector.base.files import NEUTRAL, write_probability
from detector.base.process import keep_freed_memory, leave, use_one_thread_a_call
from detector.base.resources import data_directory
from detector.commands.cli import Command, InferCommand, named_result, parse

CONSOLE_SCRIPT = "trojan-detector"
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
    logging.basicConfig(format="%(levelname)s: %(message)s")
    try:
        command = _parsed(arguments, name)
        if isinstance(command, InferCommand):
            _leave_neutral(command.result_filepath)
        # Imported here, for it takes most of a second: whoever is killed in it has left a neutral answer.
        from detector.commands.run import run

        text = run(command, SystemClock(), process_started())
    except DetectorError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception as error:  # a fault of ours: one line for the log, the result file keeps its 0.5
        print(f"error: internal fault: {printable(repr(error))}; please report it with report.json", file=sys.stderr)
        return ExitCode.INTERNAL
    _show(text)
    return ExitCode.ANSWERED


def _parsed(arguments: Sequence[str], name: str) -> Command:
    """The command; where there is none, a result file that was named loses its old answer all the same."""
    try:
        return parse(arguments, data_directory(), name)
    except DetectorError:
        result = named_result(arguments)
        if result is not None:
            _leave_neutral(result)
        raise


def _leave_neutral(result: Path) -> None:
    """0.5 in the result file, where that can be written; `run` tells where it cannot."""
    with contextlib.suppress(UsageError):
        write_probability(result, NEUTRAL)


def _show(text: str) -> None:
    """Print, what the output's alphabet lacks escaped; that nobody reads on (a closed pipe, a full disk) takes nothing
    from the answer.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except OSError:
        sys.stdout = None  # or it would be tried again at the end
