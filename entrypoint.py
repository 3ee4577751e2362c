"""The command of the container: parses, calls, maps errors to exit codes."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from detector.cli import parse
from detector.clock import SystemClock, process_started
from detector.errors import DetectorError, ExitCode, printable
from detector.run import run

_INTERRUPTED = 130  # as shells report Ctrl-C


def main(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    logging.basicConfig(format="%(levelname)s: %(message)s")
    try:
        print(run(parse(arguments, Path(__file__).resolve().parent), SystemClock(), process_started()))
    except DetectorError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception as error:  # a fault of ours: one line for the log, the result file keeps its 0.5
        print(f"internal error: {printable(repr(error))}; please report it with report.json", file=sys.stderr)
        return ExitCode.INTERNAL
    return ExitCode.ANSWERED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
