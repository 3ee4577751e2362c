"""The table of measured rounds, by hand."""

from benchmarks.sweeps import cases, table


def test_rates_are_models_an_hour_relative_to_the_first_case_of_the_architecture() -> None:
    rows = [("resnet18", (15, 10, 2), 36.0), ("resnet18", (5, 10, 2), 18.0), ("resnet50", (15, 10, 2), 72.0)]
    assert table(rows)[2:] == [
        "| resnet18 | 15 | 10 | 2 | 36.0 | 200 | 1.00 |",
        "| resnet18 | 5 | 10 | 2 | 18.0 | 400 | 2.00 |",
        "| resnet50 | 15 | 10 | 2 | 72.0 | 100 | 1.00 |",
    ]


def test_each_case_is_there_once_and_the_first_is_the_usual_one() -> None:
    assert cases()[0] == (15, 10, 2)
    assert len(set(cases())) == len(cases())
