"""Families of readings on made-up answers, and their regressions against scikit-learn's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, SelectionRule, Theta
from laboratory.domains.answers import ModelAnswers
from laboratory.domains.families import Family, families, tell
from laboratory.domains.readings import Domains

VARIANTS, IMAGES, CLASSES = 6, 30, 5
RESET, AMPLIFY = (
    Theta(
        method,
        SamplingMethod.TARGETED,
        RankingMethod.L1,
        p=0.1,
        num_pruned_models=VARIANTS,
        num_images=IMAGES,
        rule=SelectionRule.PAPER,
    )
    for method in (PruningMethod.RESET, PruningMethod.AMPLIFY)
)


def model(number: int, *, telling: bool) -> ModelAnswers:
    """Pruned, a poisoned network errs on more of the images where `telling`; amplified, all are alike."""
    rng, labels = np.random.default_rng(number), np.arange(IMAGES) % CLASSES
    right = 6 * np.eye(CLASSES)[labels]
    wrong = 6 * np.eye(CLASSES)[(labels + 1) % CLASSES]
    poisoned = number % 2 == 1
    chance = 0.5 if poisoned and telling else 0.2
    errs = rng.random((VARIANTS, IMAGES, 1)) < chance
    noise = rng.normal(0, 0.1, (VARIANTS, IMAGES, CLASSES))
    return ModelAnswers(
        name=f"made/id-{number:08d}",
        architecture="squeezenetv1_1",
        poisoned=poisoned,
        facts={},
        labels=labels,
        unpruned=right.astype(np.float32),
        probes=(),
        probed=np.empty((0, IMAGES, CLASSES), dtype=np.float32),
        thetas=(RESET, AMPLIFY),
        variants=((np.where(errs, wrong, right) + noise).astype(np.float32), (right + noise).astype(np.float32)),
        rows=np.arange(IMAGES),
    )


def domains(models: list[ModelAnswers]) -> Domains:
    labels = np.array([one.poisoned for one in models], dtype=np.int64)
    places = tuple("ab"[number // 2 % 2] for number in range(len(models)))
    return Domains(
        (), np.empty((len(models), 0)), labels, tuple(one.name for one in models), dict.fromkeys(FACTORS, places)
    )


FACTORS = (
    "round", "architecture", "trigger", "sources", "signs", "backgrounds", "size", "classes", "optimiser", "start",
    "smoothing", "adversarial",
)  # fmt: skip


def family(name: str) -> Family:
    return next(one for one in families() if one.name == name)


@pytest.mark.parametrize("name", ["the paper's", "pruning"])
def test_what_separates_is_found_and_what_does_not_is_not(name: str) -> None:
    found = [model(number, telling=True) for number in range(40)]
    told, blind = tell(family(name), found, domains(found)), tell(family("amplification"), found, domains(found))
    assert told is not None and blind is not None
    assert told.models == 40
    assert told.roc_auc > 0.95 and told.mean_domain > 0.95 and told.worst_domain > 0.9
    assert 0.2 < blind.roc_auc < 0.8
    silent = [model(number, telling=False) for number in range(40)]
    nothing = tell(family(name), silent, domains(silent))
    assert nothing is not None and 0.2 < nothing.roc_auc < 0.8


def test_models_that_were_not_measured_are_left_out() -> None:
    found = [model(number, telling=True) for number in range(40)]
    assert tell(family("weights"), found, domains(found)) is None
    some = [
        replace(one, weights=(float(one.poisoned), 0.0)) if number < 30 else one for number, one in enumerate(found)
    ]
    told = tell(family("weights"), some, domains(some))
    assert told is not None and (told.models, told.roc_auc) == (30, 1.0)


def test_the_papers_row_is_scikit_learns_least_squares() -> None:
    found = [model(number, telling=True) for number in range(40)]
    paper = family("the paper's")
    features = np.array([paper.read(one) for one in found])
    plain = [[float(np.mean(row.argmax(axis=1) == one.labels)) for row in one.variants[0]] for one in found]
    np.testing.assert_array_equal(features, plain)
    labels = domains(found).labels
    expected = LinearRegression().fit(features[:30], labels[:30]).predict(features[30:]).clip(0.02, 0.98)
    np.testing.assert_allclose(paper.learn(features[:30], labels[:30], features[30:]), expected, atol=1e-8)


def test_the_others_are_scikit_learns_logistic_regression_with_the_best_penalty() -> None:
    rng, labels = np.random.default_rng(5), np.arange(80) % 2
    features = rng.normal(size=(80, 4)) * [1, 10, 0.1, 0] + labels[:, None] * [1, 3, 0, 0]
    said = family("pruning").learn(features[:60], labels[:60], features[60:])
    scaled = (features - features[:60].mean(axis=0)) / np.where(
        features[:60].std(axis=0) > 0, features[:60].std(axis=0), 1
    )
    fits = [
        LogisticRegression(C=1 / (60 * penalty), tol=1e-10)
        .fit(scaled[:60], labels[:60])
        .predict_proba(scaled[60:])[:, 1]
        for penalty in (1.0, 0.3, 0.1, 0.03)
    ]
    assert min(np.abs(np.clip(one, 0.02, 0.98) - said).max() for one in fits) < 1e-5
