"""Labels as spreadsheets, R, pandas and Windows write them; each spelling is made by the program's own rules."""

import csv
import io
import os
import time
from pathlib import Path
from typing import Literal

import pytest

from detector.base.errors import UnreadableFileError
from detector.base.limits import LIMITS
from detector.rounds.tables import parse_truth, read_label_table, read_text

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le")
COLUMNS = ("poisoned", "ground_truth")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("text", ["1", "0\r\n", "model_name,poisoned\r\nid-00000000,1\r\n"])
def test_text_in_every_encoding(encoding: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(text.encode(encoding))
    assert read_text(tmp_path / "file", 10_000) == text


@pytest.mark.parametrize(
    "content", [b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\xff\xfe1", b"\xe9t\xe9", b"\xff\xfe\x00\xd8"]
)
def test_what_is_no_text(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match=r"it is empty|no UTF"):
        read_text(tmp_path / "file", 10_000)


@pytest.mark.parametrize(
    "text", ["1", "1.0", "1.", "1.000", "1,0", "TRUE", "True", "true", '"1"', '"TRUE"', " 1\r\n", "\t1"]
)
def test_true(text: str) -> None:
    assert parse_truth(text) is True


@pytest.mark.parametrize("text", ["0", "0.0", "0.", "0,00", "FALSE", "False", "false", '"0"', '" false "', "0\n"])
def test_false(text: str) -> None:
    assert parse_truth(text) is False


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "None", "nan", "2", "-1", "10", "01", "0.5", "1.01", "1e0", "1_0", "maybe", "t", "1 0", "1\n0",
        "\N{ARABIC-INDIC DIGIT ONE}",
    ],
)  # fmt: skip
def test_neither(text: str) -> None:
    assert parse_truth(text) is None


def _table(delimiter: str, labels: list[str], quoting: Literal[0, 1, 2, 3] = csv.QUOTE_MINIMAL) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, quoting=quoting)
    writer.writerow(["note", " Poisoned ", "MODEL_NAME"])
    writer.writerows([["a; b, c\td", label, f"id-{number:08d}"] for number, label in enumerate(labels)])
    return buffer.getvalue()


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_tables_of_every_kind(encoding: str, delimiter: str, quoting: Literal[0, 1], tmp_path: Path) -> None:
    (tmp_path / "METADATA.csv").write_bytes(_table(delimiter, ["1,0", "FALSE"], quoting).encode(encoding))
    table = read_label_table(tmp_path / "METADATA.csv", COLUMNS)
    assert table.column == "poisoned"
    assert table.labels == {"id-00000000": ("1,0",), "id-00000001": ("FALSE",)}


def test_the_columns_are_asked_in_order(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("model_name,ground_truth,poisoned\na,0,1\n")
    assert read_label_table(tmp_path / "t.csv", COLUMNS).labels == {"a": ("1",)}
    assert read_label_table(tmp_path / "t.csv", COLUMNS[::-1]).labels == {"a": ("0",)}


def test_a_model_that_is_there_twice_keeps_both_labels(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("model_name,poisoned\na,1\na,1\nb,1\nb,0\nc\n")
    assert read_label_table(tmp_path / "t.csv", COLUMNS).labels == {"a": ("1",), "b": ("1", "0"), "c": ("",)}


def test_a_table_without_the_columns_says_what_is_there_and_what_may_separate(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("model|poisoned\na|1\n")
    with pytest.raises(ValueError, match=r"commas, semicolons, tabs.*'model\|poisoned'"):
        read_label_table(tmp_path / "t.csv", COLUMNS)


@pytest.mark.hostile
@pytest.mark.parametrize(
    "content",
    [
        b"model_name,poisoned\n" + b"a\n" * 5_000_000,
        b"," * 10_000_000,
        b'"' * 9_999_999,
        b"a;\n" * 4_000_000,
        b"\n" * 15_000_000,
    ],
    ids=["rows", "columns", "quotes", "no columns", "empty rows"],
)
def test_no_table_takes_long(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    began = time.monotonic()
    with pytest.raises((ValueError, csv.Error)):
        read_label_table(tmp_path / "t.csv", COLUMNS)
    assert time.monotonic() - began < 10


@pytest.mark.hostile
@pytest.mark.parametrize("kind", ["fifo", "device", "sparse", "directory"])
def test_what_never_ends_is_not_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "directory":
        path.mkdir()
    else:
        path.touch()
        os.truncate(path, LIMITS.texts.table + 1)
    with pytest.raises(UnreadableFileError):
        read_label_table(path, COLUMNS)
