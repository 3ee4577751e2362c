"""What the parsers of all commands share: how a wrong command line is told."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NoReturn

from detector.base.errors import UsageError
from detector.base.resources import METAPARAMETERS_SCHEMA


class Parser(argparse.ArgumentParser):
    """A parser whose errors are typed, and that takes no abbreviations."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError with the usage in it."""
        raise UsageError(
            message,
            where=self.prog,
            expected=" ".join(self.format_usage().split()),
            next_step="run with --help for all options",
        )


def add_metaparameters(parser: Parser, home: Path) -> None:
    """The two options for the settings; the file itself is None where it is not named."""
    parser.add_argument(
        "--metaparameters_filepath",
        type=Path,
        metavar="FILE",
        help="settings of the detector (default: the shipped metaparameters.json)",
    )
    parser.add_argument(
        "--schema_filepath",
        type=Path,
        default=home / METAPARAMETERS_SCHEMA,
        metavar="FILE",
        help="JSON Schema of the metaparameters (default: the shipped one)",
    )
