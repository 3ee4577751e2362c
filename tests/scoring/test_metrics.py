"""Metrics of a round against NIST's harness, written again from its formulas, and scikit-learn's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, auc, brier_score_loss, confusion_matrix, log_loss, roc_auc_score

from detector.scoring.answers import Answer
from detector.scoring.metrics import Confusion, Runtime, round_metrics, scores
from detector.scoring.text import cheaper_text, metrics_text

RNG = np.random.default_rng(4)
TYPES, SOURCES, ARCHITECTURES = ("polygon", "instagram"), ("1", "2", "all"), ("resnet18", "vgg11bn", "googlenet")


def answers(count: int = 60) -> list[Answer]:
    """Every fifth model failed, every seventh has no truth."""
    made = []
    for number in range(count):
        truth = None if number % 7 == 6 else bool(number % 2)
        failed = number % 5 == 4
        made.append(
            Answer(
                model=f"id-{number:08d}",
                architecture=ARCHITECTURES[number % 3],
                truth=truth,
                probability=0.5 if failed else float(np.clip(RNG.normal(0.3 + 0.4 * bool(truth), 0.25), 0, 1)),
                exit_code=3 if failed else 0,
                seconds=float(number),
                trigger_type=TYPES[number // 2 % 2] if truth else "",
                source_classes=SOURCES[number // 2 % 3] if truth else "",
            )
        )
    return made


ANSWERS = answers()


def nist(given: list[Answer]) -> dict[str, float]:
    """As TrojAI's test harness computes them, with its own loops."""
    known = [one for one in given if one.truth is not None]
    truth = np.array([float(bool(one.truth)) for one in known])
    answered = np.array([one.probability if one.exit_code == 0 else 0.5 for one in known])
    clipped = np.clip(answered, 1e-12, 1 - 1e-12)
    losses = -(truth * np.log(clipped) + (1 - truth) * np.log(1 - clipped))
    rates = []
    for threshold in np.arange(0, 1.01, 0.01):
        found = np.round(answered, 12) >= np.round(threshold, 12)
        hits, alarms = np.sum(found & (truth == 1)), np.sum(found & (truth == 0))
        rates.append((alarms / np.sum(truth == 0), hits / np.sum(truth == 1)))
    curve = np.array(rates)
    return {
        "cross_entropy": float(np.mean(losses)),
        "cross_entropy_half_width": float(1.96 * np.std(losses) / math.sqrt(len(losses))),
        "brier": float(np.mean((answered - truth) ** 2)),
        "roc_auc_by_thresholds": float(auc(curve[:, 0], curve[:, 1])),
        "roc_auc": float(roc_auc_score(truth, answered)),
    }


def test_all_of_them_are_nists() -> None:
    found = round_metrics(ANSWERS).scores
    assert found is not None
    for name, value in nist(ANSWERS).items():
        assert getattr(found, name) == pytest.approx(value, abs=1e-12), name
    known = [one for one in ANSWERS if one.truth is not None]
    truth, answered = [one.truth for one in known], [one.probability for one in known]
    assert found.cross_entropy == pytest.approx(log_loss(truth, answered))
    assert found.brier == pytest.approx(brier_score_loss(truth, answered))
    assert found.roc_auc_interval is not None and found.roc_auc is not None
    assert found.roc_auc_interval[0] < found.roc_auc < found.roc_auc_interval[1]


def test_counts() -> None:
    known = [one for one in ANSWERS if one.truth is not None]
    found = scores(known)
    decided = [one for one in known if one.probability != 0.5]
    matrix = confusion_matrix([one.truth for one in decided], [one.probability > 0.5 for one in decided])
    undecided = [one for one in known if one.probability == 0.5]
    of_poisoned = sum(bool(one.truth) for one in undecided)
    (tn, fp), (fn, tp) = matrix.tolist()
    assert found.confusion == Confusion(tp, fp, tn, fn, of_poisoned, len(undecided) - of_poisoned)
    right = accuracy_score([one.truth for one in decided], [one.probability > 0.5 for one in decided], normalize=False)
    assert found.accuracy == pytest.approx(right / len(known))
    assert (found.num_models, found.num_poisoned) == (len(known), sum(bool(one.truth) for one in known))
    assert found.num_missing == sum(one.exit_code != 0 for one in known)


def test_groups() -> None:
    found = round_metrics(ANSWERS)
    assert list(found.by_architecture) == sorted(ARCHITECTURES)
    assert list(found.by_trigger_type) == sorted(TYPES)
    assert list(found.by_source_classes) == sorted(SOURCES)
    clean = [one for one in ANSWERS if one.truth is False]
    for name, value in found.by_trigger_type.items():
        assert value == scores([*clean, *(one for one in ANSWERS if one.trigger_type == name)])
    for name, value in found.by_architecture.items():
        group = [one for one in ANSWERS if one.truth is not None and one.architecture == name]
        for key, expected in nist(group).items():
            assert getattr(value, key) == pytest.approx(expected, abs=1e-12)


def test_what_is_missing_counts_as_half() -> None:
    given = [Answer("id-00000000", truth=True), Answer("id-00000001", truth=False, probability=0.1, exit_code=0)]
    found = round_metrics(given)
    assert found.missing == ("id-00000000",)
    assert found.scores is not None
    assert found.scores.cross_entropy == pytest.approx(-(math.log(0.5) + math.log(0.9)) / 2)
    assert found.scores.confusion == Confusion(0, 0, 1, 0, 1, 0)
    assert found.runtime == Runtime(1, 0.0, 0.0, 0.0, 0.0)


def test_without_labels_there_are_times_alone() -> None:
    found = round_metrics(
        [Answer("id-00000000", seconds=3, exit_code=0), Answer("id-00000001", seconds=4, exit_code=4)]
    )
    assert (found.scores, found.num_labelled, found.by_architecture) == (None, 0, {})
    assert found.runtime == Runtime(2, 7.0, 3.5, 3.5, 4.0)
    assert found.runtime_by_architecture == {"unknown": found.runtime}


@pytest.mark.parametrize("number", [0, 1, 2])
def test_cheaper_configurations_are_counted_and_told(number: int) -> None:
    dropped = ("warning:configuration_dropped", "warning:configuration_dropped")
    given = [Answer(f"id-{k:08d}", exit_code=0, findings=dropped if k < number else ()) for k in range(3)]
    metrics = round_metrics(given)
    assert metrics.num_cheaper == number
    sentences = {
        0: None,
        1: "1 of 3 models was judged by a cheaper configuration for lack of time.",
        2: "2 of 3 models were judged by a cheaper configuration for lack of time.",
    }
    assert cheaper_text(metrics) == sentences[number]
    assert metrics_text(given, metrics, ()).count("cheaper configuration") == bool(number)


def test_one_class_alone_has_no_curve() -> None:
    found = scores([Answer("id-00000000", truth=True, probability=1.0, exit_code=0)])
    assert (found.roc_auc, found.roc_auc_interval, found.roc_auc_by_thresholds) == (None, None, None)
    assert found.cross_entropy == pytest.approx(0, abs=1e-11)


def test_the_order_of_answers_changes_no_bit() -> None:
    known = [one for one in ANSWERS if one.truth is not None]
    assert scores(known) == scores(known[::-1])
