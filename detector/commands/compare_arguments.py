"""The command line of `compare`, turned into a frozen command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from detector.commands.arguments import THE_VERDICT, Output, Parser, add_output, output_named


@dataclass(frozen=True)
class CompareCommand:
    """Compare two evaluations of one round, model by model."""

    first: Path
    second: Path
    as_json: bool
    output: Output = THE_VERDICT


def parse_compare(arguments: Sequence[str], name: str) -> CompareCommand:
    """Turn the arguments behind `compare` into a command.

    Raises
    ------
    UsageError
        An argument is missing or unknown.
    """
    options = compare_parser(name).parse_args(arguments)
    return CompareCommand(options.first, options.second, options.json, output_named(options))


def compare_parser(name: str) -> Parser:
    """Of `compare`."""
    parser = Parser(prog=f"{name} compare", description=CompareCommand.__doc__, allow_abbrev=False)
    parser.add_argument("first", type=Path, metavar="A", help="the --output of one evaluation")
    parser.add_argument("second", type=Path, metavar="B", help="that of the other one")
    parser.add_argument("--json", action="store_true", help="print the comparison as JSON")
    add_output(parser)
    return parser
