"""What the program prints, whatever the alphabet of the terminal."""

import io

import pytest

from detector import program


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
