"""The fit of `any_of`: its gradient by differences, its optimum by another method, what it finds of planted causes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad, minimize

from detector.learning.regression import any_of
from detector.learning.regression.any_of import Scale, fit_any_of

NAMES = ("first", "second", "third")


def planted(seed: int, count: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """Each poisoned model shows in one of three readings and in no other."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    features = rng.normal(0.2, 0.05, (count, 3))
    shown = rng.integers(3, size=count)
    features[np.arange(count), shown] += 0.4 * labels
    return features, labels


def probabilities(features: np.ndarray, labels: np.ndarray, penalty: float = 0.01) -> np.ndarray:
    mapping = fit_any_of(NAMES, features, labels, penalty)
    return np.array([mapping.apply(dict(zip(NAMES, row, strict=True))).probability for row in features.tolist()])


def test_gradient() -> None:
    features, labels = planted(0)
    data = Scale.of(features, labels)(features), labels.astype(float), 0.01
    at = np.array([0.2, -2.0, 1.5])
    error = check_grad(lambda x: any_of._loss(x, *data)[0], lambda x: any_of._loss(x, *data)[1], at)
    assert error < 1e-6


def test_the_optimum_is_that_of_another_method() -> None:
    features, labels = planted(1)
    data = Scale.of(features, labels)(features), labels.astype(float), 0.05
    found = minimize(lambda x: any_of._loss(np.maximum(x, [0, -30, 0]), *data)[0], [0.1, -3, 0.7], method="Nelder-Mead")
    mapping = fit_any_of(NAMES, features, labels, 0.05)
    own = np.array([mapping.background, mapping.causes[0].offset, mapping.causes[0].slope])
    assert any_of._loss(own, *data)[0] == pytest.approx(found.fun, abs=1e-4)


def test_any_one_reading_is_enough() -> None:
    features, labels = planted(2)
    found = probabilities(features, labels)
    assert found[labels == 1].min() > found[labels == 0].max()


def test_a_reading_that_was_never_a_cause_counts_as_much() -> None:
    """No poisoned model of the fit shows in the third reading; one that does is found all the same."""
    features, labels = planted(3)
    features[:, 2] = np.random.default_rng(0).normal(0.2, 0.05, len(labels))
    mapping = fit_any_of(NAMES, features, labels, 0.01)
    clean = mapping.apply({"first": 0.2, "second": 0.2, "third": 0.2}).probability
    assert mapping.apply({"first": 0.2, "second": 0.2, "third": 0.35}).probability > 2 * clean


def test_noise_tells_nothing() -> None:
    rng = np.random.default_rng(4)
    labels = np.arange(60) % 2
    found = probabilities(rng.normal(size=(60, 3)), labels, penalty=1.0)
    assert np.abs(found - 0.5).max() < 0.2


def test_both_kinds_are_needed() -> None:
    with pytest.raises(ValueError, match="clean and poisoned"):
        fit_any_of(NAMES, np.zeros((4, 3)), np.zeros(4, dtype=np.int64), 0.1)
