"""What the program prints, whatever the alphabet of the terminal."""

import io
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
