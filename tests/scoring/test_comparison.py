"""Paired comparisons: values by hand and scikit-learn, intervals by a bootstrap written out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from detector.base.errors import UsageError
from detector.scoring.answers import Answer
from detector.scoring.comparison import compare
from detector.scoring.text import comparison_text

RNG = np.random.default_rng(8)
TRUTH = RNG.permutation(np.arange(60) % 2 == 1)


def table(spread: float, shift: float = 0.0) -> dict[str, Answer]:
    answers = np.clip(RNG.normal(0.3 + 0.4 * TRUTH, spread), 0.01, 0.99)
    return {
        f"id-{number:08d}": Answer(f"id-{number:08d}", truth=bool(truth), probability=p, seconds=1 + shift, exit_code=0)
        for number, (truth, p) in enumerate(zip(TRUTH.tolist(), answers.tolist(), strict=True))
    }


GOOD, BAD = table(0.1, shift=0.5), table(0.4)


def probabilities(answers: dict[str, Answer]) -> np.ndarray:
    return np.array([answers[model].probability for model in sorted(answers)])


def test_values_are_those_of_each() -> None:
    found = compare(BAD, GOOD).differences
    for name, metric in (("cross_entropy", log_loss), ("brier", brier_score_loss), ("roc_auc", roc_auc_score)):
        assert found[name].first == pytest.approx(metric(TRUTH, probabilities(BAD)))
        assert found[name].second == pytest.approx(metric(TRUTH, probabilities(GOOD)))
        assert found[name].value == pytest.approx(found[name].second - found[name].first)
    assert found["accuracy"].first == pytest.approx(np.mean((probabilities(BAD) > 0.5) == TRUTH))
    assert (found["seconds"].value, found["seconds"].interval) == (0.5, (0.5, 0.5))


def test_intervals_are_those_of_a_bootstrap() -> None:
    """Of models in pairs, within the classes, drawn one by one."""
    rng, first, second = np.random.default_rng(1), probabilities(BAD), probabilities(GOOD)
    rows = [np.flatnonzero(TRUTH), np.flatnonzero(~TRUTH)]
    drawn = [np.concatenate([rng.choice(some, len(some)) for some in rows]) for _ in range(2000)]
    for name, metric in (("cross_entropy", log_loss), ("roc_auc", roc_auc_score)):
        values = [metric(TRUTH[some], second[some]) - metric(TRUTH[some], first[some]) for some in drawn[:600]]
        low, high = compare(BAD, GOOD).differences[name].interval
        assert (low, high) == pytest.approx(np.percentile(values, (2.5, 97.5)), abs=0.25 * (high - low))


def test_one_and_the_same_does_not_differ() -> None:
    found = compare(GOOD, GOOD)
    assert {(one.value, one.interval) for one in found.differences.values()} == {(0.0, (0.0, 0.0))}
    assert found.changes == ()
    assert "All are answered alike." in comparison_text(("a", "b"), found)


def test_what_only_one_has_is_listed_and_changes_come_largest_first() -> None:
    other = {model: answer for model, answer in GOOD.items() if model != "id-00000003"}
    other |= {"id-00000100": Answer("id-00000100"), "id-00000005": replace(GOOD["id-00000005"], probability=0.5)}
    found = compare(GOOD, other)
    assert (found.only_first, found.only_second) == (("id-00000003",), ("id-00000100",))
    assert (found.num_models, found.num_poisoned) == (59, int(TRUTH.sum() - TRUTH[3]))
    assert [one.model for one in found.changes] == ["id-00000005"]
    changes = compare(GOOD, BAD).changes
    assert [abs(one.second - one.first) for one in changes] == sorted(
        (abs(one.second - one.first) for one in changes), reverse=True
    )


def test_without_truth_there_are_times_and_changes() -> None:
    blind = {model: replace(answer, truth=None) for model, answer in GOOD.items()}
    found = compare(blind, {model: replace(answer, probability=0.5) for model, answer in blind.items()})
    assert list(found.differences) == ["seconds"]
    assert len(found.changes) == 60


def test_the_text_says_which_is_surely_higher() -> None:
    lines = comparison_text(("bad", "good"), compare(BAD, GOOD)).splitlines()
    assert lines[:2] == ["A: bad", "B: good"]
    (loss,) = [line for line in lines if line.startswith("cross entropy")]
    (auc,) = [line for line in lines if line.startswith("roc auc")]
    assert loss.endswith("B is lower") and auc.endswith("B is higher")


def test_labels_that_differ_and_other_models_are_refused() -> None:
    other = {**GOOD, "id-00000000": replace(GOOD["id-00000000"], truth=not TRUTH[0])}
    with pytest.raises(UsageError, match="truth of id-00000000 differs"):
        compare(GOOD, other)
    with pytest.raises(UsageError, match="no model in common"):
        compare(GOOD, {})
