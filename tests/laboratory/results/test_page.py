"""The page says what the numbers say: every verdict turns with the figure that it depends on."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from detector.learning.evaluation.metrics import Chance, Difference, Metrics
from detector.learning.search.candidates import SIGNALS_BESIDE
from detector.learning.search.procedures import LEAK, PUBLISHED, Procedure
from detector.signals.registry import SIGNALS, VariantSignal
from detector.sweep.readings import ArchitectureReadings
from laboratory.results.analysis import Results
from laboratory.results.page import page, tried_table


def text(results: Results) -> str:
    return page(results, "small", "small-fresh", "small-filters")


def with_row(results: Results, procedure: Procedure, **changes: Any) -> Results:
    """With other figures of all models in the rows of a procedure."""

    def changed(metrics: Metrics) -> Metrics:
        return replace(metrics, **changes)

    rows = [
        replace(row, metrics=changed(row.metrics)) if (row.procedure, row.architecture) == (procedure, None) else row
        for row in results.rows
    ]
    return replace(results, rows=tuple(rows))


@pytest.mark.parametrize(
    ("changes", "line", "met"),
    [
        ({"roc_auc": 0.90}, "`small`, held out: ROC-AUC", "yes"),
        ({"roc_auc": 0.8999}, "`small`, held out: ROC-AUC", "**no**"),
        ({"cross_entropy": 0.45}, "`small`, held out: cross-entropy", "yes"),
        ({"cross_entropy": 0.4501}, "`small`, held out: cross-entropy", "**no**"),
        ({"chance": Chance(200, 0.5, 0.7, 0.005, 0.005)}, "`small`, held out: permutation", "yes"),
        ({"chance": Chance(200, 0.5, 0.7, 0.01, 0.01)}, "`small`, held out: permutation", "**no**"),
    ],
)
def test_targets(changes: dict[str, object], line: str, met: str, found: Results) -> None:
    (row,) = [row for row in text(with_row(found, PUBLISHED, **changes)).splitlines() if row.startswith(f"| {line}")]
    assert row.endswith(f"| {met} |")


def test_a_fresh_round_has_targets_of_its_own(found: Results) -> None:
    assert found.fresh is not None
    judged = replace(found.fresh, metrics=replace(found.fresh.metrics, roc_auc=0.85, cross_entropy=0.501), p_value=0.1)
    shown = text(replace(found, fresh=judged))
    rows = [line for line in shown.splitlines() if line.startswith("| `small-fresh`, never fitted on")]
    assert [row.endswith("| **no** |") for row in rows] == [True, True, True]
    assert "0.850" in rows[0] and "0.501" in rows[1] and "p = 0.1000" in rows[2]
    assert "designed with the models of `small` at hand" in shown
    without = text(replace(found, fresh=None))
    assert "at hand" not in without
    assert "no measurements of `small-fresh`" in without


def test_what_was_not_measured_is_not_met(found: Results) -> None:
    good = with_row(found, PUBLISHED, roc_auc=0.95, cross_entropy=0.3, chance=Chance(200, 0.5, 0.7, 0.005, 0.005))
    shown = text(replace(good, unseen=None))
    assert "All targets" not in shown
    assert "| not measured | **no** |" in shown


def test_what_is_missed_is_named(found: Results) -> None:
    good = with_row(found, PUBLISHED, roc_auc=0.95, cross_entropy=0.3, chance=Chance(200, 0.5, 0.7, 0.005, 0.005))
    assert "All targets are met." in text(good)
    missed = text(with_row(good, PUBLISHED, cross_entropy=0.5))
    assert "Not met: `small`, held out: cross-entropy." in missed
    assert "All targets" not in missed


def test_the_unseen_family(found: Results, noise: Results) -> None:
    assert found.unseen is not None
    for auc, met in ((0.75, "is met"), (0.74, "is not met")):
        metrics = replace(found.unseen.metrics, roc_auc=auc)
        assert f"The target of 0.75 {met}." in text(replace(found, unseen=replace(found.unseen, metrics=metrics)))
    assert "no measurements of `small-filters`" in text(noise)
    assert found.unseen_alone is not None
    for auc, said in (
        (0.75, "models of that family to fit on would help"),
        (0.74, "not seen that models of that family"),
    ):
        alone = replace(found.unseen_alone, roc_auc=auc)
        assert said in text(replace(found, unseen_alone=alone))
    assert "models of `small-filters` themselves" not in text(noise)


def test_the_leak(found: Results) -> None:
    none = with_row(found, LEAK, auc_interval=(0.4, 0.6), chance=Chance(200, 0.5, 0.7, 0.3, 0.3))
    assert "Within chance: labels cannot be told" in text(none)
    assert "Labels can be told" in text(with_row(none, LEAK, auc_interval=(0.51, 0.7)))
    assert "Labels can be told" in text(with_row(none, LEAK, chance=Chance(200, 0.5, 0.7, 0.005, 0.3)))
    for low, beats in ((0.01, "procedure beats that, by +0.100"), (-0.01, "does not surely beat that, by +0.100")):
        assert beats in " ".join(text(replace(found, beyond_leak=Difference(0.1, (low, 0.2)))).split())


@pytest.mark.parametrize(
    ("last", "said"),
    [([0.80, 0.82], "more models would help"), ([0.71, 0.72], "it is not seen"), ([0.5, 1.0], "it is not seen")],
)
def test_the_learning_curve(last: list[float], said: str, found: Results) -> None:
    """From 0.7: by 0.11, by less than the threshold, and by less than the draws differ."""
    before, end = (
        replace(point, aucs=np.array(aucs)) for point, aucs in zip(found.curve[-2:], ([0.69, 0.71], last), strict=True)
    )
    assert said in text(replace(found, curve=(before, end)))


def test_in_sample_figures_are_called_so_and_never_alone(found: Results) -> None:
    section = text(found).split("## The paper's figure")[1].split("\n## ")[0]
    (header,) = [line for line in section.splitlines() if line.startswith("| architecture")]
    for column in ("in-sample error", "in-sample CE", "of noise: error", "held-out error"):
        assert column in header


def test_every_row_of_figures_has_its_permutations_beside_it(found: Results) -> None:
    lines = text(found).split("## Held out")[1].split("## By architecture")[0].splitlines()
    rows = [line for line in lines if re.match(r"\| [a-zA-Z]", line)]
    assert rows[0].endswith("| permuted CE | p | permuted AUC | p |")
    assert len(rows) == 1 + 9 * 3 + 1 + 5 + 2 * 3 + 1  # header, families, best, logistic, two leaks, paper


def test_what_was_left_out_is_told(found: Results) -> None:
    assert "too few models to cross-validate: vgg11bn" in text(found)
    assert "(L_exec > 1): Reset Targeted L1 p=0.067 all S=4 D=1000" in text(found)


def test_a_useless_regression_is_a_base_rate(found: Results) -> None:
    one, other = found.learned
    useless = replace(one, selected=replace(one.selected, useful=False))
    assert "Nothing beats the base rate for resnet18" in text(replace(found, learned=(useless, other)))
    assert "Nothing beats" not in text(found)


def test_everything_that_was_tried_is_listed(found: Results) -> None:
    lines = [line.split(";") for line in tried_table(found).splitlines()]
    assert lines[0] == ["theta", "signals", "reduction", "pooled", "resnet18", "squeezenetv1_1", "pooled, L2 logistic"]
    logistic = [line for line in lines[1:] if line[6]]
    assert {line[1] for line in logistic} == {" + ".join(signals) for signals in SIGNALS_BESIDE}
    assert len(lines) == 1 + len(found.searches[0].candidates) == 1 + 2 + 3 * (28 + 2) + 4 + 2
    assert len({tuple(line[:3]) for line in lines}) == len(lines)
    best = min(lines[1:], key=lambda line: float(line[3]))
    assert best[0].startswith("Amplify x3")


def test_equal_numbers_make_an_equal_page(
    found: Results, make_round: Callable[..., Sequence[ArchitectureReadings]]
) -> None:
    assert text(found) == text(replace(found, readings=tuple(make_round(0, 2.5))))


def test_the_parts_are_told_and_what_variants_add(found: Results) -> None:
    for low, adds in ((0.01, "What is measured of variants adds to"), (-0.01, "variants does not surely add to")):
        shown = text(replace(found, beyond_unpruned=Difference(0.05, (low, 0.2))))
        assert adds in shown
        assert "+0.050 in ROC-AUC" in shown
    summary = text(found).split("## What was measured")[0]
    assert "| L2 logistic: thetas together |" in summary
    assert "The thetas that the default bundle measures are of Amplify" in summary


def test_signals_that_were_not_measured_are_told(found: Results) -> None:
    assert "Left out of the search" not in text(found)
    with SIGNALS.with_entry(VariantSignal("later", 1, lambda answers: answers.logits[:, 0, 0])):
        shown = text(found)
    assert "Left out of the search: the signal 'later' is not among what was measured." in shown
    assert shown.replace("Left out of the search: the signal 'later' is not among what was measured. ", "") == text(
        found
    )
