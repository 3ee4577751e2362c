"""Few models: how few, and the interval by which it is said, against scipy's."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from detector.scoring.answers import Answer
from detector.scoring.comparison import compare
from detector.scoring.few import FEWEST, few_models, wilson_interval
from detector.scoring.metrics import round_metrics
from detector.scoring.round_page import round_page
from detector.scoring.terms import Terms
from detector.scoring.text import comparison_text, metrics_text


@pytest.mark.parametrize(("right", "total"), [(0, 1), (1, 1), (5, 9), (9, 9), (0, 30), (17, 40), (399, 400)])
def test_the_interval_is_scipys(right: int, total: int) -> None:
    expected = binomtest(right, total).proportion_ci(method="wilson")
    assert wilson_interval(right, total) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_where_there_are_enough_nothing_is_said() -> None:
    assert few_models(FEWEST, FEWEST, 1.0) is None
    for poisoned, clean in ((FEWEST - 1, FEWEST), (FEWEST, FEWEST - 1), (0, 500)):
        assert few_models(poisoned, clean, 1.0) is not None


def _answers(per_class: int, shift: float = 0.0) -> list[Answer]:
    """All on the right side: a bootstrap would find no doubt in them."""
    return [
        Answer(f"id-{number:08d}", truth=bool(number % 2), probability=0.1 + 0.8 * (number % 2) + shift, exit_code=0)
        for number in range(2 * per_class)
    ]


def test_evaluate_says_it_with_the_width_in_text_and_page() -> None:
    answers = _answers(4)
    metrics = round_metrics(answers)
    sentence = "Few models: 4 poisoned and 4 clean"
    text = metrics_text(answers, metrics, ())
    assert sentence in text and "68% or 100%" in text  # Wilson's interval of 8 of 8
    assert sentence in round_page(Terms("r", "b", "", 1.0, "p", 0.9, "v"), answers, metrics, ())
    many = _answers(FEWEST)
    assert "Few models" not in metrics_text(many, round_metrics(many), ())


def test_compare_says_it_too() -> None:
    def table(answers: list[Answer]) -> dict[str, Answer]:
        return {answer.model: answer for answer in answers}

    few = comparison_text(("A", "B"), compare(table(_answers(4)), table(_answers(4, 0.05))))
    assert "Few models: 4 poisoned and 4 clean" in few
    many = comparison_text(("A", "B"), compare(table(_answers(FEWEST)), table(_answers(FEWEST, 0.05))))
    assert "Few models" not in many


def test_compare_says_how_large_a_difference_must_be() -> None:
    first = {answer.model: answer for answer in _answers(5)}
    second = dict(first)
    for number in (0, 3, 4):
        name = f"id-{number:08d}"
        second[name] = Answer(name, truth=first[name].truth, probability=0.5 + 0.01 * number, exit_code=0)
    found = compare(first, second)
    low, high = found.differences["roc_auc"].interval
    assert low < high
    assert f"a difference in ROC-AUC of about {(high - low) / 2:.2f}" in comparison_text(("A", "B"), found)


def test_unlabelled_rounds_have_no_such_figure() -> None:
    answers = [Answer("id-00000000", exit_code=0)]
    assert "Few models" not in metrics_text(answers, round_metrics(answers), ())
