"""The command line of every generation of TrojAI's container API, turned into one frozen command.

Rounds 1-4 pass four options, Rounds 9 and later some of a dozen more, the latest template a subcommand; the newest
harness passes no subcommand and options that the template does not know. So: no subcommand means `infer`, unknown
options are reported and ignored, and only what cannot be guessed is required. Values are paths given by the caller,
who is trusted with this machine's files.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from detector.errors import UsageError

SUBCOMMANDS = ("infer", "configure", "inspect")
_EXAMPLE_FOLDERS = ("example_data", "clean-example-data", "clean_example_data", "example")

# Options of some generation of the API that this detector has no use for; accepted so that they are never "unknown".
_UNUSED_PATHS = (
    "round_training_dataset_dirpath",
    "source_dataset_dirpath",
    "scale_parameters_filepath",
    "tokenizer_filepath",
    "embedding_filepath",
)
_UNUSED_FLAGS = ("cls_token_is_first", "automatic_configuration")

_EPILOG = """
exit codes: 0 answered, 1 internal error, 2 usage, 3 model refused, 4 examples unusable, 5 parameters invalid,
6 deadline before any measurement. The result file holds 0.5 after every code but 0.
"""


@dataclass(frozen=True)
class InferCommand:
    """Estimate the probability that one model is poisoned."""

    model_filepath: Path
    result_filepath: Path
    scratch_dirpath: Path
    examples_dirpath: Path
    metaparameters_filepath: Path
    schema_filepath: Path
    learned_parameters_dirpath: Path
    features_filepath: Path | None
    unknown_options: tuple[str, ...]


@dataclass(frozen=True)
class InspectCommand:
    """Say what is in a model file, without building or running anything."""

    model_filepath: Path
    as_json: bool


Command = InferCommand | InspectCommand


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(
            message,
            where=self.prog,
            expected=" ".join(self.format_usage().split()),
            next_step="run with --help for all options",
        )


def parse(arguments: Sequence[str], home: Path) -> Command:
    """Turn the arguments (without the program's name) into a command.

    `home` is the folder that holds the shipped metaparameters and learned parameters: the defaults.

    Raises
    ------
    UsageError
        If a required option is missing, an option lacks its value, or the subcommand is not available.
    SystemExit
        With code 0, from `--help`.
    """
    subcommand = arguments[0] if arguments and arguments[0] in SUBCOMMANDS else "infer"
    rest = arguments[1:] if arguments and arguments[0] in SUBCOMMANDS else arguments
    if subcommand == "configure" or "--configure_mode" in rest:
        raise UsageError(
            "configure is not part of this version",
            where="entrypoint.py",
            expected="infer or inspect",
            next_step="use the shipped learned parameters, or write a bundle by hand (learned_params shows the format)",
        )
    if subcommand == "inspect":
        return _parse_inspect(rest)
    return _parse_infer(rest, home)


def _parse_inspect(arguments: Sequence[str]) -> InspectCommand:
    parser = _Parser(prog="entrypoint.py inspect", description=InspectCommand.__doc__, allow_abbrev=False)
    parser.add_argument("model", type=Path, help="the model file")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args(arguments)
    return InspectCommand(options.model, options.json)


def _infer_parser(home: Path) -> _Parser:
    parser = _Parser(
        prog="entrypoint.py",
        usage="%(prog)s [infer] --model_filepath FILE --result_filepath FILE --scratch_dirpath DIR [options]\n"
        "       %(prog)s inspect MODEL [--json]",
        description=InferCommand.__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--model_filepath", type=Path, required=True, metavar="FILE", help="the model to judge (model.pt)")
    add("--result_filepath", type=Path, required=True, metavar="FILE", help="where the probability is written")
    add("--scratch_dirpath", type=Path, required=True, metavar="DIR", help="where report.json and logits.npz go")
    add(
        "--examples_dirpath", type=Path, metavar="DIR", help="clean PNG images (default: example_data beside the model)"
    )
    add(
        "--metaparameters_filepath",
        type=Path,
        default=home / "metaparameters.json",
        metavar="FILE",
        help="settings of the detector (default: the shipped metaparameters.json)",
    )
    add(
        "--schema_filepath",
        type=Path,
        default=home / "metaparameters_schema.json",
        metavar="FILE",
        help="JSON Schema of the metaparameters (default: the shipped one)",
    )
    add(
        "--learned_parameters_dirpath",
        type=Path,
        default=home / "learned_params",
        metavar="DIR",
        help="bundles of learned parameters, or one bundle (default: the shipped learned_params)",
    )
    add("--features_filepath", type=Path, metavar="FILE", help="also write the signal vector there, as a two-row CSV")
    for name in (*_UNUSED_PATHS, "configure_models_dirpath"):
        add(f"--{name}", metavar="PATH", help=argparse.SUPPRESS)
    for name in (*_UNUSED_FLAGS, "configure_mode"):
        add(f"--{name}", action="store_true", help=argparse.SUPPRESS)
    return parser


def _parse_infer(arguments: Sequence[str], home: Path) -> InferCommand:
    options, unknown = _infer_parser(home).parse_known_args(list(arguments))
    return InferCommand(
        model_filepath=options.model_filepath,
        result_filepath=options.result_filepath,
        scratch_dirpath=options.scratch_dirpath,
        examples_dirpath=options.examples_dirpath or _examples_beside(options.model_filepath),
        metaparameters_filepath=options.metaparameters_filepath,
        schema_filepath=options.schema_filepath,
        learned_parameters_dirpath=options.learned_parameters_dirpath,
        features_filepath=options.features_filepath,
        unknown_options=tuple(unknown),
    )


def named_result(arguments: Sequence[str]) -> Path | None:
    """The result file that the arguments name, whatever else is wrong with them."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("--result_filepath", type=Path)
    try:
        result: Path | None = parser.parse_known_args(list(arguments))[0].result_filepath
    except UsageError:
        return None
    return result


def _examples_beside(model: Path) -> Path:
    """The first folder beside the model that any round uses for clean examples; `example_data` if there is none."""
    candidates = [model.parent / name for name in _EXAMPLE_FOLDERS]
    return next((folder for folder in candidates if folder.is_dir()), candidates[0])
