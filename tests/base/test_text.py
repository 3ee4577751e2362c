"""Text from outside: one printable line, cut before any work."""

import time

import pytest

from detector.base.text import brief, listed, printable

HOSTILE = ["evil\nWARNING: forged\x1b[2J", "a\u202egnp", "\x00\x07\x9b", "\u2028line", "\ud800", "\u200bzero", "\r\tx"]


@pytest.mark.hostile
@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_one_harmless_line(text: str) -> None:
    for shown in (printable(text), brief(text), brief((text, [text])), listed([text])):
        assert shown.isprintable()
    assert printable("plain, é, 日本") == "plain, é, 日本"


@pytest.mark.hostile
def test_cut_before_the_work() -> None:
    text = "\x01" * 2**22
    start = time.process_time()
    for value in [text] * 300:
        assert len(printable(value)) == 403
        assert len(brief((value,) * 1000)) <= 403
    assert time.process_time() - start < 20


def test_values_in_brief() -> None:
    assert brief((2, 2)) == "(2, 2)"
    assert brief("zeros") == "zeros"
    assert brief(10**5000) == "a number of thousands of digits"
    assert listed(["a", "b", "c"], most=2) == "'a', 'b' and 1 more"


def test_cut_where_it_is_asked_for() -> None:
    assert printable("x" * 900, 800) == "x" * 800 + "..."
    assert printable("\n" * 3, 4) == "\\n\\n..."
