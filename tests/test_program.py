"""What the program prints, whatever the alphabet of the terminal."""

import io
import json
from pathlib import Path

import pytest

from detector import program
from detector.commands.cli import ConfigureCommand, parse


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("utf-8", "mod\u00e8le-\u6a21.pt \u2603"),
        ("ascii", "mod\\xe8le-\\u6a21.pt \\u2603"),
        ("latin-1", "mod\u00e8le-\\u6a21.pt \\u2603"),
        ("cp1252", "mod\u00e8le-\\u6a21.pt \\u2603"),
        ("koi8-r", "mod\\xe8le-\\u6a21.pt \\u2603"),
    ],
)
def test_names_that_the_alphabet_lacks_are_escaped(
    encoding: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(buffer, encoding=encoding))
    program._show("mod\u00e8le-\u6a21.pt \u2603")
    assert buffer.getvalue().decode(encoding) == f"{expected}\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "coloured"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
        (None, {}, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(
    stream: io.StringIO | None, environment: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout", stream)
    assert program._colours() is coloured


@pytest.mark.parametrize(
    ("stdout", "stderr", "more", "times"),
    [
        (Terminal, Terminal, [], 0),
        (Terminal, io.StringIO, [], 1),  # a log of errors
        (io.StringIO, Terminal, [], 1),  # the verdict goes elsewhere
        (Terminal, Terminal, ["--log_format", "json"], 1),
        (Terminal, Terminal, ["--json"], 1),
        (Terminal, Terminal, ["--quiet"], 1),
    ],
)
def test_on_a_terminal_a_refusal_says_its_reason_once(
    stdout: type[io.StringIO],
    stderr: type[io.StringIO],
    more: list[str],
    times: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exit code, result and report are the same everywhere, and whatever is kept as a log has the error."""
    (tmp_path / "model.pt").write_text("not a model")
    shown, log = stdout(), stderr()
    monkeypatch.setattr("sys.stdout", shown)
    monkeypatch.setattr("sys.stderr", log)
    words = ["--model_filepath", tmp_path / "model.pt", "--result_filepath", tmp_path / "result.txt"]
    code = program.main([*map(str, words), "--scratch_dirpath", str(tmp_path / "scratch"), *more])
    reason = json.loads((tmp_path / "scratch" / "report.json").read_text())["error"]
    assert (code, (tmp_path / "result.txt").read_text()) == (3, "0.5\n")
    assert log.getvalue().count(reason) == times
    assert ("".join(reason.split()) in "".join(shown.getvalue().split())) == ("--quiet" not in more)


CONFIGURE = ["configure", "--configure_models_dirpath", "r", "--learned_parameters_dirpath", "l"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (CONFIGURE, "nothing is kept"),
        (
            [
                "configure",
                "--configure_models_dirpath",
                "r",
                "--learned_parameters_dirpath",
                "l",
                "--scratch_dirpath",
                "s",
            ],
            "the same command continues, what was measured is in s",
        ),
    ],
)
def test_ctrl_c_says_what_is_kept(words: list[str], told: str) -> None:
    command = parse(words, Path("/home"))
    assert isinstance(command, ConfigureCommand)
    assert told in program._interrupted(command)
