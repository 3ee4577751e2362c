"""What the parsers of all commands share: how a wrong command line is told."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from detector.base.errors import UsageError
from detector.base.log import LogFormat
from detector.base.resources import METAPARAMETERS_SCHEMA
from detector.base.workers import Backend, Workers
from detector.rounds.preparation import Preparation

Change = tuple[str, str]
"""A metaparameter and its value, as JSON or as plain text."""


@dataclass(frozen=True)
class Output:
    """How much is told, and in which form: nothing but errors (`quiet`), all (`verbose`), or the verdict."""

    quiet: bool = False
    verbose: bool = False
    log_format: LogFormat = LogFormat.TEXT


THE_VERDICT = Output()
"""What is told unless something else is asked for."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are typed, and that takes no abbreviations."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError with the usage in it; of several forms the first."""
        own = f"usage: {self.usage % {'prog': self.prog}}".split("\n")[0] if self.usage else self.format_usage()
        raise UsageError(
            message,
            where=self.prog,
            expected=" ".join(own.split()),
            next_step="run with --help for all options",
        )


def add_metaparameters(parser: Parser, home: Path) -> None:
    """The three options for the settings; the file itself is None where it is not named."""
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
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a metaparameter other than in the file, as infer_max_seconds=300; several are allowed",
    )


def changes_named(options: argparse.Namespace) -> tuple[Change, ...]:
    """What `--set` says.

    Raises
    ------
    UsageError
        It sets nothing.
    """
    pairs = [text.partition("=") for text in options.set]
    for key, sign, _ in pairs:
        if not key or not sign:
            raise UsageError(
                f"{key!r} sets nothing",
                where="--set",
                expected="KEY=VALUE with a key of metaparameters.json, as infer_max_seconds=300",
                next_step="write it like that",
            )
    return tuple((key, value) for key, _, value in pairs)


def add_preparation(parser: Parser) -> None:
    """The three options for photographs of one's own, which `preparation_named` reads."""
    add = parser.add_argument
    add(
        "--resize",
        nargs="?",
        type=int,
        const=True,
        default=False,
        metavar="PIXELS",
        help="resize photographs of other sizes and crop them at the centre, to so many pixels a side (default: as the "
        "preprocessing has it)",
    )
    add(
        "--mean",
        nargs=3,
        type=float,
        metavar=("R", "G", "B"),
        help="of each channel, in [0, 1], taken off the images before the network sees them; --std with it",
    )
    add("--std", nargs=3, type=float, metavar=("R", "G", "B"), help="what each channel is divided by after that")


def preparation_named(options: argparse.Namespace) -> Preparation:
    """How images are prepared, by the options of `add_preparation`.

    Raises
    ------
    UsageError
        Sizes or numbers cannot be used.
    """
    return Preparation.of(options.resize, options.mean, options.std)


def add_output(parser: argparse.ArgumentParser) -> None:
    """The options of all commands that say how much is told."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--quiet", action="store_true", help="tell nothing but errors")
    group.add_argument("--verbose", action="store_true", help="tell all that the report says")
    formats = [str(one) for one in LogFormat]
    parser.add_argument("--log_format", choices=formats, default="text", help="of the log on stderr (default: text)")


def output_named(options: argparse.Namespace) -> Output:
    """How much is told, by the options of `add_output`."""
    return Output(options.quiet, options.verbose, LogFormat(options.log_format))


def add_workers(parser: argparse.ArgumentParser, count: int = 1) -> None:
    """The options for who does the work, which `workers_named` reads; `count` workers unless it is said."""
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
    add_sandbox(parser)
    add("--scheduler", metavar="ADDRESS", help="a dask scheduler, such as tcp://10.0.0.1:8786, whose workers do it")


def workers_named(options: argparse.Namespace) -> Workers:
    """Who does the work, by the options of `add_workers`.

    Raises
    ------
    UsageError
        They do not go together.
    """
    backend = options.backend or (Backend.DASK if options.scheduler else Backend.LOKY)
    return Workers(options.workers, backend, options.scheduler, sandboxed=not options.no_sandbox)


def add_sandbox(parser: argparse.ArgumentParser) -> None:
    """The option to do without the sandbox."""
    parser.add_argument(
        "--no_sandbox",
        action="store_true",
        help="parse model and images in this process, with all its rights, not in confined child processes",
    )


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value
