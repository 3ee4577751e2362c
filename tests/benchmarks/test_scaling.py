"""The table of scaling, by hand."""

from benchmarks.scaling import on_paper, table


def test_shares_are_of_what_the_first_row_promises() -> None:
    assert table([(1, 6.0), (2, 3.0), (4, 2.0)])[2:] == [
        "| 1 | 6.00 | 600 | 100% |",
        "| 2 | 3.00 | 1200 | 100% |",
        "| 4 | 2.00 | 1800 | 75% |",
    ]


def test_on_paper() -> None:
    text = on_paper(36.0, 0.01)
    assert "take 6.5 h on 100 cores" in text  # 2104 x 31 x 36 s / 100 / 3600
    assert "22 waves on 100 cores, of which 96% are used" in text  # 2104 / 2200
    assert "100 tasks a second" in text and "more than 3600 cores" in text
