"""Strict JSON, against Python's own reader for what is right, and against RFC 8259 for what is not."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.base.errors import UnreadableFileError
from detector.base.strict_json import parse_json, read_json

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(_JSON)
def test_what_is_right_is_read_as_python_reads_it(value: object) -> None:
    assert parse_json(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1, "a": 2}', "key 'a' is repeated"),
        ('{"a": 1, "b": {"c": 1, "d": 2, "c": 1}}', "key 'c' is repeated"),
        ('{"\\u0061": 1, "a": 1}', "key 'a' is repeated"),
        ("NaN", "no JSON number"),
        ("[-Infinity]", "no JSON number"),
        ("1e999", "too large"),
        ("-1e999", "too large"),
        ("9" * 5000, "limit"),
        ("[" * 200_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("", "Expecting value"),
        ("{} {}", "Extra data"),
        ("{'a': 1}", "Expecting property name"),
        ("\ufeff{}", "BOM"),
    ],
)
def test_slips_are_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_json(text)


@pytest.mark.hostile
@pytest.mark.parametrize("repeated", [0, 39_999, 79_999])
def test_many_keys_take_no_time(repeated: int) -> None:
    keys = [f'"key {number}": 0' for number in range(80_000)] + [f'"key {repeated}": 1']
    began = time.monotonic()
    with pytest.raises(ValueError, match=f"'key {repeated}' is repeated"):
        parse_json("{" + ",".join(keys) + "}")
    assert time.monotonic() - began < 5  # it is a tenth of a second; by counting each key it would be a minute


def test_files_are_utf_8_regular_and_small(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes('{"é": 1}'.encode())
    assert read_json(path, 100) == {"é": 1}
    with pytest.raises(UnreadableFileError):
        read_json(path, 3)
    with pytest.raises(UnreadableFileError):
        read_json(tmp_path, 100)
    path.write_bytes('{"é": 1}'.encode("latin-1"))
    with pytest.raises(ValueError, match="utf-8"):
        read_json(path, 100)
