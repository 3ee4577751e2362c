"""Tables of answers: what is written is read, and what a kill or an editor did to them is noticed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from detector.base.errors import UsageError
from detector.scoring.answers import COLUMNS, Answer, append_answer, read_answers, write_answers

FIRST = Answer(
    model="models/id-00000001",
    architecture="resnet18",
    truth=True,
    probability=0.1 + 0.2,
    verdict="undecided",
    basis="measured",
    seconds=1.5,
    exit_code=0,
    findings=("info:note", "warning:not_validated"),
    trigger_type="polygon",
    source_classes="all",
)
DROPPED, LATE = "warning:configuration_dropped", "error:out_of_time"
REFUSED = Answer("id-00000000", exit_code=3, error='it says "no", and, well\\n')


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "out" / "results.csv"
    write_answers(path, [FIRST])
    append_answer(path, REFUSED)
    assert read_answers(path) == (FIRST, REFUSED)
    assert (FIRST.is_missing, REFUSED.is_missing, Answer("id-00000002").is_missing) == (False, True, True)


@pytest.mark.parametrize(
    "code", ["not_validated", "labels_are_answers", "other_image_size", "preprocessing_overridden"]
)
@pytest.mark.parametrize("verdict", ["poisoned", "clean"])
def test_a_side_that_is_not_validated_says_so(verdict: str, code: str, tmp_path: Path) -> None:
    """Also of a table that was written before there was a code for it."""
    write_answers(tmp_path / "results.csv", [replace(FIRST, verdict=verdict, findings=(f"warning:{code}",))])
    (answer,) = read_answers(tmp_path / "results.csv")
    assert (answer.verdict, answer.verdict_in_words) == (verdict, f"{verdict}, not validated")
    assert replace(answer, findings=(DROPPED,)).verdict_in_words == verdict
    assert replace(answer, verdict="undecided").verdict_in_words == "undecided"


@pytest.mark.parametrize(
    ("findings", "exit_code", "is_cheaper"),
    [((), 0, False), ((DROPPED,), 0, True), ((DROPPED, LATE), 0, False), ((DROPPED,), 6, False)],
)
def test_a_cheaper_configuration_is_one_that_judged(
    findings: tuple[str, ...], exit_code: int, is_cheaper: bool
) -> None:
    assert replace(FIRST, findings=findings, exit_code=exit_code).is_cheaper is is_cheaper


def test_a_whole_table_is_sorted_and_for_people(tmp_path: Path) -> None:
    write_answers(tmp_path / "results.csv", [FIRST, REFUSED])
    header, refused, first = (tmp_path / "results.csv").read_text().splitlines()
    assert header.startswith("model,architecture,truth,probability,verdict,basis,seconds,exit_code,findings,")
    assert refused.startswith("id-00000000,,,0.5,not answered,neutral,0.000,3,,")
    assert first == (
        "models/id-00000001,resnet18,1,0.30000000000000004,undecided,measured,1.500,0,"
        "info:note warning:not_validated,polygon,all,"
    )


@pytest.mark.parametrize("kept", range(1, 40, 7))
def test_a_line_cut_short_is_left_out(kept: int, tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    write_answers(path, [FIRST])
    whole = path.read_bytes()
    append_answer(path, REFUSED)
    path.write_bytes(path.read_bytes()[: len(whole) + kept])
    assert read_answers(path) == (FIRST,)


ROW = dict(zip(COLUMNS, ["m", "a", "1", "0.5", "v", "b", "1.0", "0", "", "", "", ""], strict=True))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a,b\n",
        ",".join(COLUMNS) + "\nm,a\n",
        *(
            ",".join(COLUMNS) + "\n" + ",".join((ROW | change).values()) + "\n"
            for change in (
                {"truth": "maybe"},
                {"probability": "nan"},
                {"probability": "1.01"},
                {"seconds": "-1"},
                {"exit_code": "x"},
            )
        ),
    ],
)
def test_what_is_no_table_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_text(text)
    with pytest.raises(UsageError, match="no table of answers"):
        read_answers(tmp_path / "results.csv")


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        append_answer(tmp_path, FIRST)
