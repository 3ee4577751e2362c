"""The committed measurements: rounds of the promised size, without a leak that a detector could see."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from detector.configure.grids import Grid, thetas
from detector.configure.readings import ArchitectureReadings, read_readings
from detector.configure.untouched import HISTORY

MEASUREMENTS = Path(__file__).resolve().parents[2] / "measurements"
SMALL = [read_readings(path) for path in sorted((MEASUREMENTS / "small").glob("*.npz"))]
UNSEEN = [read_readings(path) for path in sorted((MEASUREMENTS / "small-filters").glob("*.npz"))]


def test_the_rounds_have_the_promised_size() -> None:
    """Four architectures of 40 models and of 12, of which those that did not converge are left out."""
    assert len(SMALL) == len(UNSEEN) == 4
    for one, most in [*((one, 40) for one in SMALL), *((one, 12) for one in UNSEEN)]:
        assert 0.85 * most <= len(one.names) <= most
        assert one.poisoned.mean() == pytest.approx(0.5, abs=0.1)


def test_no_model_is_in_both_rounds() -> None:
    for one, other in zip(SMALL, UNSEEN, strict=True):
        assert one.architecture == other.architecture
        first, second = one.unpruned.tolist(), other.unpruned.tolist()
        assert not [row for row in first if row in second]


def untouched(one: ArchitectureReadings) -> np.ndarray:
    names = sorted(set(one.untouched) - set(HISTORY))
    return np.column_stack([one.untouched[name] for name in names])


def pruned(one: ArchitectureReadings) -> np.ndarray:
    """Mean accuracy and margin under each theta of the wide grid."""
    together = [array for theta, array in zip(one.thetas, one.variants, strict=True) if theta in thetas(Grid.WIDE)]
    return np.column_stack([array[:, :, column].mean(axis=1) for array in together for column in (0, 2)])


def held_out_auc(features: Callable[[ArchitectureReadings], np.ndarray]) -> float:
    """Of an L2 logistic regression in scikit-learn's own hands, features standardised by architecture."""
    inputs = np.concatenate([StandardScaler().fit_transform(features(one)) for one in SMALL])
    labels = np.concatenate([one.poisoned for one in SMALL])
    groups = np.repeat(range(len(SMALL)), [len(one.names) for one in SMALL]) * 2 + labels
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.03, max_iter=1000))
    aucs = []
    for seed in range(5):
        folds = StratifiedKFold(5, shuffle=True, random_state=seed).split(inputs, groups)
        answers = cross_val_predict(model, inputs, labels, cv=list(folds), method="predict_proba")[:, 1]
        aucs.append(roc_auc_score(labels, answers))
    return float(np.mean(aucs))


def test_pruning_tells_far_more_than_the_network_as_it_is() -> None:
    """Accuracy, loss, confidence, file size and norms do not quite stay within chance, 0.5 +- 0.046: found, 0.60."""
    leak = held_out_auc(untouched)
    assert leak < 0.65
    assert held_out_auc(pruned) > leak + 0.15
