"""What the parsers of all commands share: how a wrong command line is told."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NoReturn

from detector.base.errors import UsageError
from detector.base.resources import METAPARAMETERS_SCHEMA
from detector.base.workers import Backend, Workers


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


def add_workers(parser: argparse.ArgumentParser, count: int = 1) -> None:
    """The three options for who does the work, which `workers_named` reads; `count` workers unless it is said."""
    add = parser.add_argument
    add(
        "--workers",
        type=_count,
        default=count,
        metavar="N",
        help=f"models worked on at the same time (default {count})",
    )
    add(
        "--backend",
        type=Backend,
        choices=list(Backend),
        help="what runs the workers: loky, processes of this machine, or dask (default: loky, with --scheduler dask)",
    )
    add("--scheduler", metavar="ADDRESS", help="a dask scheduler, such as tcp://10.0.0.1:8786, whose workers do it")


def workers_named(options: argparse.Namespace) -> Workers:
    """Who does the work, by the options of `add_workers`.

    Raises
    ------
    UsageError
        They do not go together.
    """
    backend = options.backend or (Backend.DASK if options.scheduler else Backend.LOKY)
    return Workers(options.workers, backend, options.scheduler)


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value
