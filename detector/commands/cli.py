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
from difflib import get_close_matches
from pathlib import Path

from detector import __version__
from detector.base.cpus import usable_cpus
from detector.base.errors import UsageError
from detector.base.log import LogFormat
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
    add_sandbox,
    add_workers,
    changes_named,
    output_named,
    preparation_named,
    workers_named,
)
from detector.commands.compare_arguments import CompareCommand, compare_parser, parse_compare
from detector.commands.evaluate_arguments import (
    EvaluateCommand,
    MergeCommand,
    evaluate_parser,
    merge_parser,
    parse_evaluate,
    parse_merge,
)
from detector.rounds.example_names import ImageFormat
from detector.rounds.preparation import AS_THEY_ARE, Preparation
from detector.rounds.registry import FOLDERS

SUBCOMMANDS = ("infer", "configure", "inspect", "report", "evaluate", "merge", "compare")

# Options of some generation of the API that this detector has no use for; accepted so that they are never "unknown".
_UNUSED_PATHS = (
    "round_training_dataset_dirpath",
    "source_dataset_dirpath",
    "scale_parameters_filepath",
    "tokenizer_filepath",
    "embedding_filepath",
)
_UNUSED_FLAGS = ("cls_token_is_first",)
_ONLY_INFER_PATHS = ("model_filepath", "result_filepath", "examples_dirpath", "features_filepath")

_WITH_DEFAULTS = ("metaparameters_filepath", "learned_parameters_dirpath")
_INPUTS = ("model_filepath", "metaparameters_filepath", "schema_filepath", "examples_dirpath")

_EPILOG = """
exit codes: 0 answered, 1 internal error, 2 usage, 3 model refused, 4 examples unusable, 5 parameters invalid,
6 deadline before any measurement, 130 interrupted. The result file holds 0.5 after every code but 0. 7 of configure:
nothing learned.
"""


@dataclass(frozen=True)
class InferCommand:
    """Estimate the probability that one model is poisoned."""

    # `bundle` is a name or a path, `changes` are metaparameters set by `--set`, `given` names the options of paths that
    # the caller has given and that have defaults.

    model_filepath: Path
    result_filepath: Path
    scratch_dirpath: Path
    examples_dirpath: Path
    metaparameters_filepath: Path
    schema_filepath: Path
    learned_parameters_dirpath: Path
    features_filepath: Path | None
    unknown_options: tuple[str, ...]
    as_json: bool = False
    html_filepath: Path | None = None
    bundle: str | None = None
    changes: tuple[Change, ...] = ()
    given: frozenset[str] = frozenset()
    preparation: Preparation = AS_THEY_ARE
    output: Output = THE_VERDICT
    sandboxed: bool = True


@dataclass(frozen=True)
class InspectCommand:
    """Say what is in a model file, without building or running anything."""

    model_filepath: Path
    as_json: bool
    output: Output = THE_VERDICT
    sandboxed: bool = True


@dataclass(frozen=True)
class ReportCommand:
    """Show a report.json that `infer` has written: on the terminal, and as a page of HTML."""

    report_filepath: Path
    html_filepath: Path | None
    examples_dirpath: Path | None
    output: Output = THE_VERDICT


@dataclass(frozen=True)
class ConfigureCommand:
    """Learn from a folder of labelled models how to tell poisoned ones, for `infer` to use.

    `updates_metaparameters`: NIST's form, `--configure_mode`, with a metaparameters file, which is then to name the new
    bundle. In any other form the file is only read.
    """

    configure_models_dirpath: Path
    learned_parameters_dirpath: Path
    scratch_dirpath: Path | None
    metaparameters_filepath: Path
    updates_metaparameters: bool
    schema_filepath: Path
    automatic_configuration: bool
    start_from: str | None
    workers: Workers
    unknown_options: tuple[str, ...]
    changes: tuple[Change, ...] = ()
    output: Output = THE_VERDICT


Command = (
    InferCommand | InspectCommand | ConfigureCommand | ReportCommand | EvaluateCommand | MergeCommand | CompareCommand
)


def parse(arguments: Sequence[str], home: Path, name: str = "entrypoint.py") -> Command:
    """Turn the arguments (without the program's name) into a command.

    `home` is the folder that holds the shipped metaparameters and learned parameters: the defaults. `name` is what
    the program is called in its texts.

    Raises
    ------
    UsageError
        If a required option is missing or an option lacks its value.
    SystemExit
        With code 0, from `--help` and `--version`.
    """
    if arguments and _is_mistyped(arguments):
        raise _no_command(arguments[0], name)
    subcommand = arguments[0] if arguments and arguments[0] in SUBCOMMANDS else "infer"
    rest = arguments[1:] if arguments and arguments[0] in SUBCOMMANDS else arguments
    if subcommand == "inspect":
        return _parse_inspect(rest, name)
    if subcommand == "report":
        return _parse_report(rest, name)
    if subcommand == "evaluate":
        return parse_evaluate(rest, home, name)
    if subcommand == "merge":
        return parse_merge(rest, name)
    if subcommand == "compare":
        return parse_compare(rest, name)
    if subcommand == "configure" or "--configure_mode" in rest:
        return _parse_configure(rest, home, name)
    return _parse_infer(rest, home, name)


def _is_mistyped(arguments: Sequence[str]) -> bool:
    """Whether it begins with a word that is no command; the newest harness may pass such words beside the options."""
    first, *rest = arguments
    harness = {"--model_filepath", "--configure_mode"}
    return not first.startswith("-") and first not in SUBCOMMANDS and harness.isdisjoint(rest)


def _no_command(word: str, name: str) -> UsageError:
    near = get_close_matches(word, SUBCOMMANDS, 1)
    return UsageError(
        f"there is no command {word!r}",
        where=name,
        expected=f"one of {', '.join(SUBCOMMANDS)}, or the options of infer alone",
        next_step=f"did you mean {name} {near[0]}?" if near else f"{name} --help tells what each does",
    )


def parsers(home: Path, name: str) -> dict[str, Parser]:
    """The parser of each command, by its name: for `--help` on paper. `home` and `name` as for `parse`."""
    return {
        "infer": _infer_parser(home, name),
        "configure": _configure_parser(home, name),
        "inspect": _inspect_parser(name),
        "report": _report_parser(name),
        "evaluate": evaluate_parser(home, name),
        "merge": merge_parser(name),
        "compare": compare_parser(name),
    }


def _inspect_parser(name: str) -> Parser:
    parser = Parser(prog=f"{name} inspect", description=InspectCommand.__doc__, allow_abbrev=False)
    parser.add_argument("model", type=Path, help="the model file")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    add_sandbox(parser)
    add_output(parser)
    return parser


def _parse_inspect(arguments: Sequence[str], name: str) -> InspectCommand:
    options = _inspect_parser(name).parse_args(arguments)
    return InspectCommand(options.model, options.json, output_named(options), sandboxed=not options.no_sandbox)


def _report_parser(name: str) -> Parser:
    parser = Parser(prog=f"{name} report", description=ReportCommand.__doc__, allow_abbrev=False)
    parser.add_argument("report", type=Path, help="the report.json of a scratch folder")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write it as one self-contained page")
    parser.add_argument("--examples_dirpath", type=Path, metavar="DIR", help="show these images on the page")
    add_output(parser)
    return parser


def _parse_report(arguments: Sequence[str], name: str) -> ReportCommand:
    options = _report_parser(name).parse_args(arguments)
    return ReportCommand(options.report, options.html, options.examples_dirpath, output_named(options))


def named_log_format(arguments: Sequence[str]) -> LogFormat:
    """The format that the arguments ask for, whatever else is wrong with them."""
    parser = Parser(add_help=False, allow_abbrev=False)
    add_output(parser)
    try:
        return output_named(parser.parse_known_args(list(arguments))[0]).log_format
    except UsageError:
        return LogFormat.TEXT


def _infer_parser(home: Path, name: str) -> Parser:
    parser = Parser(
        prog=name,
        usage="%(prog)s [infer] --model_filepath FILE --result_filepath FILE --scratch_dirpath DIR [options]\n"
        "       %(prog)s inspect MODEL [--json]\n"
        "       %(prog)s report REPORT.JSON [--html FILE]\n"
        "       %(prog)s configure --configure_models_dirpath DIR --learned_parameters_dirpath DIR [options]\n"
        "       %(prog)s evaluate ROUND --output DIR [options]\n"
        "       %(prog)s merge ROUND --output DIR\n"
        "       %(prog)s compare A B [--json]",
        description=InferCommand.__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--version", action="version", version=f"{name} {__version__}")
    add("--model_filepath", type=Path, required=True, metavar="FILE", help="the model to judge (model.pt)")
    add("--result_filepath", type=Path, required=True, metavar="FILE", help="where the probability is written")
    add("--scratch_dirpath", type=Path, required=True, metavar="DIR", help="where report.json and logits.npz go")
    add("--examples_dirpath", type=Path, metavar="DIR", help="clean images (default: example_data beside the model)")
    add_metaparameters(parser, home)
    add(
        "--learned_parameters_dirpath",
        type=Path,
        metavar="DIR",
        help="bundles of learned parameters, or one bundle; a metaparameters.json there is used, too (default: the "
        "shipped learned_params)",
    )
    add("--bundle", metavar="NAME_OR_PATH", help="a bundle there, or any other one by the path of its folder")
    add_preparation(parser)
    add("--features_filepath", type=Path, metavar="FILE", help="also write the signal vector there, as a two-row CSV")
    add("--html", type=Path, metavar="FILE", help="also write the report there, as one self-contained page")
    add("--json", action="store_true", help="print the report as JSON instead of the verdict")
    add_sandbox(parser)
    add_output(parser)
    _accept(parser, (*_UNUSED_PATHS, "configure_models_dirpath"), (*_UNUSED_FLAGS, "automatic_configuration"))
    return parser


def _accept(parser: Parser, paths: Sequence[str], flags: Sequence[str]) -> None:
    """Take options that play no part, so that they are not reported as unknown."""
    for name in paths:
        parser.add_argument(f"--{name}", metavar="PATH", help=argparse.SUPPRESS)
    for name in flags:
        parser.add_argument(f"--{name}", action="store_true", help=argparse.SUPPRESS)


def _parse_infer(arguments: Sequence[str], home: Path, name: str) -> InferCommand:
    options, unknown = _infer_parser(home, name).parse_known_args(list(arguments))
    for output in (options.result_filepath, options.features_filepath, options.html):
        if output is not None and _is_input(output, options):
            raise UsageError(
                "an answer would overwrite an input",
                where=output,
                expected="a result, features and HTML file apart from the model, its examples and the settings",
                next_step="name another file",
            )
    return InferCommand(
        model_filepath=options.model_filepath,
        result_filepath=options.result_filepath,
        scratch_dirpath=options.scratch_dirpath,
        examples_dirpath=options.examples_dirpath or _examples_beside(options.model_filepath),
        metaparameters_filepath=options.metaparameters_filepath or home / METAPARAMETERS,
        schema_filepath=options.schema_filepath,
        learned_parameters_dirpath=options.learned_parameters_dirpath or home / LEARNED_PARAMETERS,
        features_filepath=options.features_filepath,
        unknown_options=tuple(unknown),
        as_json=options.json,
        html_filepath=options.html,
        bundle=options.bundle,
        changes=changes_named(options),
        given=frozenset(name for name in _WITH_DEFAULTS if getattr(options, name) is not None),
        preparation=preparation_named(options),
        output=output_named(options),
        sandboxed=not options.no_sandbox,
    )


def _configure_parser(home: Path, name: str) -> Parser:
    parser = Parser(
        prog=f"{name} configure",
        usage="%(prog)s --configure_models_dirpath DIR --learned_parameters_dirpath DIR [options]\n"
        f"       {name} --configure_mode ... (the same, as Rounds 9 and later have it; it alone names the new bundle "
        "in the file of --metaparameters_filepath)",
        description="Learn from a folder of labelled models how to tell poisoned ones, for `infer` to use.",
        epilog="exit codes: 0 configured, 1 internal error, 2 usage, 5 parameters or models that nothing can be "
        "learned from, 7 a bundle was written, and nothing was learned but the base rate",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "--configure_models_dirpath",
        type=Path,
        required=True,
        metavar="DIR",
        help="a round: folders id-<8 digits> with model.pt, examples and label, METADATA.csv at the root",
    )
    add(
        "--learned_parameters_dirpath",
        type=Path,
        required=True,
        metavar="DIR",
        help="where the bundle `configured` and a metaparameters.json that names it are written",
    )
    add("--scratch_dirpath", type=Path, metavar="DIR", help="where measurements are kept, for a second run to go on")
    add_metaparameters(parser, home)
    add(
        "--automatic_configuration",
        action="store_true",
        help="search theta, signals and mapping over the grid train_grid instead of fitting the given ones",
    )
    add(
        "--start_from",
        metavar="BUNDLE",
        help="learn on from the mapping of this bundle for any architecture instead, such as `universal`: the name of "
        "a bundle in the learned parameters or of a shipped one, or its folder",
    )
    add_workers(parser, usable_cpus())
    add_output(parser)
    _accept(parser, (*_UNUSED_PATHS, *_ONLY_INFER_PATHS), (*_UNUSED_FLAGS, "configure_mode"))
    return parser


def _parse_configure(arguments: Sequence[str], home: Path, name: str) -> ConfigureCommand:
    options, unknown = _configure_parser(home, name).parse_known_args(list(arguments))
    return ConfigureCommand(
        configure_models_dirpath=options.configure_models_dirpath,
        learned_parameters_dirpath=options.learned_parameters_dirpath,
        scratch_dirpath=options.scratch_dirpath,
        metaparameters_filepath=options.metaparameters_filepath or home / METAPARAMETERS,
        updates_metaparameters=options.configure_mode and options.metaparameters_filepath is not None,
        schema_filepath=options.schema_filepath,
        automatic_configuration=options.automatic_configuration,
        start_from=options.start_from,
        workers=workers_named(options),
        unknown_options=tuple(unknown),
        changes=changes_named(options),
        output=output_named(options),
    )


def named_result(arguments: Sequence[str]) -> Path | None:
    """The result file that the arguments name, whatever else is wrong with them."""
    parser = Parser(add_help=False, allow_abbrev=False)
    for name in ("result_filepath", *_INPUTS):
        parser.add_argument(f"--{name}", type=Path)
    try:
        options = parser.parse_known_args(list(arguments))[0]
    except UsageError:
        return None
    result: Path | None = options.result_filepath
    return None if result is None or _is_input(result, options) else result


def _is_input(output: Path, options: argparse.Namespace) -> bool:
    """Whether the file to be written is one that is read: whoever mixes up two options must not lose a model."""
    place = _resolved(output)
    inputs = [_resolved(path) for path in (getattr(options, name) for name in _INPUTS) if path is not None]
    return place in inputs or (ImageFormat.by_name(place) is not None and place.parent in inputs)


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # a loop of links: whoever opens it says so
        return path


def _examples_beside(model: Path) -> Path:
    """The first folder beside the model that any round uses for clean examples; `example_data` if there is none."""
    candidates = [model.parent / name for name in FOLDERS]
    return next((folder for folder in candidates if folder.is_dir()), candidates[0])
