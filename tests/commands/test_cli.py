"""The option sets of all generations of the container API become the right command."""

from pathlib import Path

import pytest

from detector import __version__
from detector.base.errors import UsageError
from detector.base.log import LogFormat
from detector.commands.arguments import Output
from detector.commands.cli import (
    SUBCOMMANDS,
    ConfigureCommand,
    InferCommand,
    InspectCommand,
    ReportCommand,
    named_log_format,
    parse,
)

HOME = Path("/opt/detector")
FOUR = ["--model_filepath", "m/model.pt", "--result_filepath", "out/result.txt", "--scratch_dirpath", "scratch"]


def infer(*arguments: str) -> InferCommand:
    command = parse(arguments, HOME)
    assert isinstance(command, InferCommand)
    return command


def test_rounds_1_to_4() -> None:
    command = infer(*FOUR, "--examples_dirpath", "m/example_data")
    assert command.model_filepath == Path("m/model.pt")
    assert command.result_filepath == Path("out/result.txt")
    assert command.scratch_dirpath == Path("scratch")
    assert command.examples_dirpath == Path("m/example_data")
    assert command.metaparameters_filepath == HOME / "metaparameters.json"
    assert command.schema_filepath == HOME / "metaparameters_schema.json"
    assert command.learned_parameters_dirpath == HOME / "learned_params"
    assert command.unknown_options == ()


def test_round_9_and_later() -> None:
    pairs = {
        "tokenizer_filepath": "t",
        "features_filepath": "f.csv",
        "round_training_dataset_dirpath": "r",
        "metaparameters_filepath": "/metaparameters.json",
        "schema_filepath": "/metaparameters_schema.json",
        "learned_parameters_dirpath": "/learned_parameters",
        "scale_parameters_filepath": "s",
        "configure_models_dirpath": "c",
    }
    options = [word for name, value in pairs.items() for word in (f"--{name}", value)]
    command = infer(*FOUR, *options, "--source_dataset_dirpath=/src")
    assert command.features_filepath == Path("f.csv")
    assert command.learned_parameters_dirpath == Path("/learned_parameters")
    assert command.unknown_options == ()


def test_rounds_5_to_8() -> None:
    assert infer(*FOUR, "--cls_token_is_first", "--embedding_filepath", "e").unknown_options == ()


def test_infer_subcommand_is_the_same_as_none() -> None:
    assert infer("infer", *FOUR) == infer(*FOUR)


def test_unknown_options_are_kept_for_the_log_and_not_fatal() -> None:
    command = infer(*FOUR, "--gpu", "3", "--new_in_round_30=yes", "stray")
    assert command.unknown_options == ("--gpu", "3", "--new_in_round_30=yes", "stray")


def test_options_are_never_abbreviated() -> None:
    assert infer(*FOUR, "--examples", "x").unknown_options == ("--examples", "x")


@pytest.mark.parametrize("folder", ["example_data", "clean-example-data", "clean_example_data", "example"])
def test_examples_default_to_the_folder_beside_the_model(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    arguments = ["--model_filepath", str(tmp_path / "model.pt"), *FOUR[2:]]
    assert infer(*arguments).examples_dirpath == tmp_path / folder


@pytest.mark.parametrize(
    "arguments",
    [[], ["infer"], FOUR[:4], FOUR[2:], [*FOUR, "--examples_dirpath"], ["inspect"], ["inspect", "a", "b"]],
)
def test_what_cannot_be_guessed_is_required(arguments: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        parse(arguments, HOME)
    assert caught.value.exit_code == 2


TWO = ["--configure_models_dirpath", "round", "--learned_parameters_dirpath", "learned"]


def configure(*arguments: str) -> ConfigureCommand:
    command = parse(arguments, HOME)
    assert isinstance(command, ConfigureCommand)
    return command


def test_configure() -> None:
    command = configure("configure", *TWO)
    assert command.configure_models_dirpath == Path("round")
    assert command.learned_parameters_dirpath == Path("learned")
    assert command.scratch_dirpath is None
    assert (command.metaparameters_filepath, command.updates_metaparameters) == (HOME / "metaparameters.json", False)
    assert command.schema_filepath == HOME / "metaparameters_schema.json"
    assert (command.automatic_configuration, command.start_from, command.unknown_options) == (False, None, ())


def test_configure_from_a_start() -> None:
    command = configure("configure", *TWO, "--start_from", "universal")
    assert (command.automatic_configuration, command.start_from) == (False, "universal")


def test_configure_with_every_option_of_the_template() -> None:
    more = ["--scratch_dirpath", "s", "--metaparameters_filepath", "/m.json", "--schema_filepath", "/schema.json"]
    command = configure("configure", *TWO, *more, "--automatic_configuration", "--new", "3")
    assert command.scratch_dirpath == Path("s")
    assert (command.metaparameters_filepath, command.updates_metaparameters) == (Path("/m.json"), False)
    assert command.schema_filepath == Path("/schema.json")
    assert (command.automatic_configuration, command.unknown_options) == (True, ("--new", "3"))


@pytest.mark.parametrize("others", [[], FOUR[:4], ["--tokenizer_filepath", "t", "--features_filepath", "f"]])
def test_configure_mode_of_round_9_is_the_same_and_what_infer_needs_plays_no_part(others: list[str]) -> None:
    assert configure(*others, "--configure_mode", *TWO) == configure("configure", *TWO)


@pytest.mark.parametrize("form", [["--configure_mode"], ["configure", "--configure_mode"]])
def test_the_metaparameters_are_updated_by_the_flag_of_round_9_alone(form: list[str]) -> None:
    file = ["--metaparameters_filepath", "/m.json"]
    assert configure(*form, *TWO, *file).updates_metaparameters
    assert not configure(*form, *TWO).updates_metaparameters
    assert not configure("configure", *TWO, *file).updates_metaparameters


@pytest.mark.parametrize("arguments", [["configure"], ["configure", *TWO[:2]], ["--configure_mode", *TWO[2:], *FOUR]])
def test_configure_needs_its_two_folders_and_is_never_taken_for_infer(arguments: list[str]) -> None:
    with pytest.raises(UsageError, match="required"):
        parse(arguments, HOME)


def test_inspect() -> None:
    assert parse(["inspect", "a b/model.pt"], HOME) == InspectCommand(Path("a b/model.pt"), as_json=False)
    assert parse(["inspect", "--json", "x"], HOME) == InspectCommand(Path("x"), as_json=True)


def test_report() -> None:
    assert parse(["report", "r.json"], HOME) == ReportCommand(Path("r.json"), None, None)
    told = parse(["report", "r.json", "--html", "p.html", "--examples_dirpath", "e", "--quiet"], HOME)
    assert told == ReportCommand(Path("r.json"), Path("p.html"), Path("e"), Output(quiet=True))


_COMMANDS = [[*FOUR], ["inspect", "m"], ["configure", *TWO], ["report", "r"], ["compare", "a", "b"]]
_COMMANDS += [[name, "round", "--output", "out"] for name in ("evaluate", "merge")]


@pytest.mark.parametrize("command", _COMMANDS)
def test_every_command_says_how_much_it_tells(command: list[str]) -> None:
    assert parse(command, HOME).output == Output()
    assert parse([*command, "--verbose", "--log_format", "json"], HOME).output == Output(
        verbose=True, log_format=LogFormat.JSON
    )
    for wrong in (["--quiet", "--verbose"], ["--log_format", "xml"]):
        with pytest.raises(UsageError):
            parse([*command, *wrong], HOME)


def test_infer_prints_json_and_writes_a_page_where_it_is_told_to() -> None:
    assert (infer(*FOUR).as_json, infer(*FOUR).html_filepath) == (False, None)
    command = infer(*FOUR, "--json", "--html", "page.html")
    assert (command.as_json, command.html_filepath) == (True, Path("page.html"))
    with pytest.raises(UsageError, match="overwrite"):
        infer(*FOUR, "--html", "m/model.pt")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [([], LogFormat.TEXT), (["--log_format", "json"], LogFormat.JSON), (["--log_format"], LogFormat.TEXT)],
)
def test_the_format_of_the_log_is_known_whatever_else_is_wrong(arguments: list[str], expected: LogFormat) -> None:
    assert named_log_format(["--unknown", *arguments]) is expected


def test_bundle_and_settings() -> None:
    assert (infer(*FOUR).bundle, infer(*FOUR).changes, infer(*FOUR).given) == (None, (), frozenset())
    command = infer(*FOUR, "--bundle", "small", "--set", "a=1", "--set", "b=x=y", "--learned_parameters_dirpath", "l")
    assert (command.bundle, command.changes) == ("small", (("a", "1"), ("b", "x=y")))
    assert command.given == {"learned_parameters_dirpath"}
    assert configure("configure", *TWO, "--set", "train_seed=3").changes == (("train_seed", "3"),)
    with pytest.raises(UsageError, match="--set"):
        parse([*FOUR, "--set", "infer_threads"], HOME)


@pytest.mark.parametrize("arguments", [["--version"], ["infer", "--version"]])
def test_version(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(arguments, HOME, "name-of-the-program")
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"name-of-the-program {__version__}\n"


@pytest.mark.parametrize("subcommand", SUBCOMMANDS)
def test_texts_call_the_program_as_its_caller_does(subcommand: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse([subcommand], HOME, "name-of-the-program")
    assert caught.value.where.split()[0] == "name-of-the-program"
    assert "entrypoint.py" not in str(caught.value)


@pytest.mark.parametrize(
    ("word", "next_step"),
    [("evalute", "did you mean entrypoint.py evaluate?"), ("configur", "configure?"), ("frobnicate", "--help")],
)
def test_a_mistyped_command_is_told_with_the_nearest_and_all_commands(word: str, next_step: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse([word, "round", "--output", "o"], HOME)
    assert next_step in caught.value.next_step
    for command in SUBCOMMANDS:
        assert command in caught.value.expected
    assert "usage" not in str(caught.value)


def test_words_that_a_harness_passes_beside_the_options_are_ignored_as_before() -> None:
    assert infer("detect", *FOUR).unknown_options == ("detect",)


def test_an_error_shows_the_usage_of_its_command_alone() -> None:
    with pytest.raises(UsageError) as caught:
        parse(["--model_filepath", "m"], HOME)
    assert "--result_filepath" in caught.value.expected and "evaluate" not in caught.value.expected
