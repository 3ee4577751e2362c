"""The committed measurements: rounds of the promised size, without a leak that a detector could see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

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


def test_the_network_as_it_is_does_not_tell_the_label() -> None:
    """Accuracy, loss, confidence, file size and norms, standardised by architecture, in scikit-learn's own hands.

    Of 156 models an ROC-AUC without meaning has a standard deviation of 0.046 around a half.
    """
    inputs = np.concatenate([StandardScaler().fit_transform(untouched(one)) for one in SMALL])
    labels = np.concatenate([one.poisoned for one in SMALL])
    groups = np.repeat(range(len(SMALL)), [len(one.names) for one in SMALL]) * 2 + labels
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
    aucs = []
    for seed in range(5):
        folds = StratifiedKFold(5, shuffle=True, random_state=seed).split(inputs, groups)
        answers = cross_val_predict(model, inputs, labels, cv=list(folds), method="predict_proba")[:, 1]
        aucs.append(roc_auc_score(labels, answers))
    assert np.mean(aucs) < 0.5 + 2 * 0.046
