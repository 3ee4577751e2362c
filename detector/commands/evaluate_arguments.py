"""The command lines of `evaluate` and `merge`, turned into frozen commands."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from detector.base.resources import LEARNED_PARAMETERS, METAPARAMETERS
from detector.base.workers import Workers
from detector.commands.arguments import (
    THE_VERDICT,
    Change,
    Output,
    Parser,
    add_metaparameters,
    add_output,
    add_preparation,
    add_workers,
    changes_named,
    output_named,
    preparation_named,
    workers_named,
)
from detector.rounds.preparation import AS_THEY_ARE, Preparation

_ROUND_HELP = "a round: folders id-<8 digits> with model.pt and examples; labels and METADATA.csv where there are any"


@dataclass(frozen=True)
class EvaluateCommand:
    """Judge every model of a round, and say what the answers are worth.

    `bundle` and `seconds` replace what the metaparameters say; `shard` is "i/n".
    """

    round_dirpath: Path
    output_dirpath: Path
    metaparameters_filepath: Path
    schema_filepath: Path
    learned_parameters_dirpath: Path
    bundle: str | None
    seconds: float | None
    workers: Workers
    shard: str | None
    changes: tuple[Change, ...] = ()
    preparation: Preparation = AS_THEY_ARE
    output: Output = THE_VERDICT


@dataclass(frozen=True)
class MergeCommand:
    """Score what all shards of an evaluation have answered."""

    round_dirpath: Path
    output_dirpath: Path
    output: Output = THE_VERDICT


def parse_evaluate(arguments: Sequence[str], home: Path, name: str) -> EvaluateCommand:
    """Turn the arguments behind `evaluate` into a command.

    Raises
    ------
    UsageError
        An argument is missing, unknown or not of its kind.
    """
    options = evaluate_parser(home, name).parse_args(arguments)
    return EvaluateCommand(
        round_dirpath=options.round,
        output_dirpath=options.output,
        metaparameters_filepath=options.metaparameters_filepath or home / METAPARAMETERS,
        schema_filepath=options.schema_filepath,
        learned_parameters_dirpath=options.learned_parameters_dirpath,
        bundle=options.bundle,
        seconds=options.seconds,
        workers=workers_named(options),
        shard=options.shard,
        changes=changes_named(options),
        preparation=preparation_named(options),
        output=output_named(options),
    )


def evaluate_parser(home: Path, name: str) -> Parser:
    """Of `evaluate`."""
    parser = Parser(
        prog=f"{name} evaluate",
        description="Judge every model of a round as `infer` would, and score the answers by NIST's metrics. The same "
        "command goes on where it was interrupted.",
        epilog="exit codes: 0 evaluated, whatever the answers are, 1 internal error, 2 usage, 5 parameters invalid",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("round", type=Path, metavar="ROUND", help=_ROUND_HELP)
    add("--output", type=Path, required=True, metavar="DIR", help="where results.csv and metrics.json go")
    add("--bundle", metavar="NAME_OR_PATH", help="the learned parameters (default: as the metaparameters say)")
    add("--seconds", type=_positive, metavar="S", help="time budget of a model (default: as the metaparameters say)")
    add_preparation(parser)
    add_workers(parser)
    add("--shard", metavar="I/N", help="judge only every N-th model, beginning with number I; `merge` scores them all")
    add(
        "--learned_parameters_dirpath",
        type=Path,
        default=home / LEARNED_PARAMETERS,
        metavar="DIR",
        help="where bundles are looked for by name (default: the shipped learned_params)",
    )
    add_metaparameters(parser, home)
    add_output(parser)
    return parser


def parse_merge(arguments: Sequence[str], name: str) -> MergeCommand:
    """Turn the arguments behind `merge` into a command.

    Raises
    ------
    UsageError
        An argument is missing or unknown.
    """
    options = merge_parser(name).parse_args(arguments)
    return MergeCommand(options.round, options.output, output_named(options))


def merge_parser(name: str) -> Parser:
    """Of `merge`."""
    parser = Parser(
        prog=f"{name} merge",
        description=f"{MergeCommand.__doc__} What no shard has answered counts as 0.5 and is listed.",
        epilog="exit codes: 0 scored, 1 internal error, 2 usage",
        allow_abbrev=False,
    )
    parser.add_argument("round", type=Path, metavar="ROUND", help=_ROUND_HELP)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="that of the shards")
    add_output(parser)
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text} is no positive number")
    return value
