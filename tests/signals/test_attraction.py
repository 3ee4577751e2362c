"""Attraction: tables that are taken apart by hand and by scikit-learn, and a trojan's trace among them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from detector.graph.reference import reference_graph
from detector.signals.answers import log_probabilities
from detector.signals.attraction import ATTRACTION_STATISTICS, Attraction
from detector.signals.own_attraction import OWN_ATTRACTION
from detector.signals.registry import Context

RNG = np.random.default_rng(0)


def logits_of(table: np.ndarray, each: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose log-probabilities are those of the table, row by row, for `each` images of every class."""
    normalised = table - np.log(np.exp(table).sum(axis=1, keepdims=True))
    return np.repeat(normalised, each, axis=0), np.repeat(np.arange(len(table)), each)


def additive(classes: int) -> np.ndarray:
    """What rows and columns explain, with a strong diagonal."""
    return RNG.normal(size=(classes, 1)) + RNG.normal(size=classes) + 6 * np.eye(classes)


def own_attraction(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return OWN_ATTRACTION.read(Context(logits, labels, reference_graph("resnet18"), {}))


def named(attraction: Attraction) -> dict[str, float]:
    return dict(zip(ATTRACTION_STATISTICS, attraction.statistics().tolist(), strict=True))


def test_what_rows_and_columns_explain_is_no_attraction_of_pairs() -> None:
    columns = np.array([0.5, -0.5, 1.0, -1.0, 0.0])
    found = Attraction.of(*logits_of(columns + 6 * np.eye(5)))
    np.testing.assert_allclose(found.classes, columns, atol=1e-9)
    numbers = named(found)
    assert [numbers[name] for name in ("largest_pair", "pair_gap", "pair_deviation")] == pytest.approx([0] * 3)
    assert numbers["largest_class"] == pytest.approx(1.0)
    assert numbers["class_gap"] == pytest.approx(0.5)
    assert numbers["class_deviation"] == pytest.approx(np.sqrt(0.5))
    assert numbers["class_outlier"] == pytest.approx(1.0 / (np.sqrt(0.5) + 0.02))


def test_residuals_are_those_of_a_regression_on_dummies() -> None:
    table = additive(6) + RNG.normal(size=(6, 6))
    logits, labels = logits_of(table)
    found = Attraction.of(logits, labels)
    rows, columns = np.nonzero(~np.eye(6, dtype=bool))
    dummies = np.concatenate([np.eye(6)[rows], np.eye(6)[columns]], axis=1)
    values = logits[::3][rows, columns]
    residuals = values - LinearRegression().fit(dummies, values).predict(dummies)
    np.testing.assert_allclose(found.pairs[rows, columns], residuals, atol=1e-8)
    assert np.isnan(np.diag(found.pairs)).all()
    assert found.classes.mean() == pytest.approx(0, abs=1e-12)


def test_one_source_class_drawn_to_one_target_stands_out() -> None:
    table = additive(7)
    table[2, 5] += 2.0
    found = Attraction.of(*logits_of(table))
    assert list(np.unravel_index(np.nanargmax(found.pairs), (7, 7))) == [2, 5]
    assert named(found)["pair_outlier"] > 4
    assert named(found)["pair_gap"] > 0.5


def test_all_classes_drawn_to_one_target_stand_out() -> None:
    table = 0.1 * RNG.normal(size=(7, 7)) + 6 * np.eye(7)
    table[:, 4] += 2.0 * (np.arange(7) != 4)
    found = Attraction.of(*logits_of(table))
    assert found.classes.argmax() == 4
    assert named(found)["class_gap"] > 1.5


def test_images_of_a_class_count_together_in_any_order() -> None:
    logits, labels = RNG.normal(size=(30, 5)), np.arange(30) % 5
    order = RNG.permutation(30)
    expected = Attraction.of(logits, labels).statistics()
    np.testing.assert_allclose(Attraction.of(logits[order], labels[order]).statistics(), expected)
    np.testing.assert_allclose(Attraction.of(logits + 100, labels).statistics(), expected)  # only differences count


def test_classes_without_images_are_left_out() -> None:
    logits, labels = logits_of(additive(6))
    found = Attraction.of(logits[labels < 4], labels[labels < 4])
    assert found.sources.tolist() == [0, 1, 2, 3]
    assert found.pairs.shape == (4, 6)
    assert np.isnan(np.diag(found.pairs)).all()
    assert np.isfinite(found.pairs[~np.eye(6, dtype=bool)[:4]]).all()
    assert np.isfinite(found.statistics()).all()


def test_a_class_of_which_only_its_own_images_could_tell_is_not_compared() -> None:
    """Images of class 0 alone: what they answer of the other classes counts, nobody tells whether 0 is favoured."""
    logits = np.log([[0.7, 0.2, 0.05, 0.05]])
    found = Attraction.of(logits, np.array([0]))
    expected = logits[0, 1:] - logits[0, 1:].mean()
    np.testing.assert_allclose(found.classes, expected)
    assert named(found)["largest_class"] == pytest.approx(expected.max())
    assert named(found)["largest_pair"] == pytest.approx(0)


def of_all_pairs(logits: np.ndarray, labels: np.ndarray) -> list[float]:
    """The statistics out of a table of all classes by all classes, as they were defined first."""
    count = logits.shape[-1]
    answered = np.maximum(log_probabilities(logits), -20)
    table = np.full((count, count), np.nan)
    for label in np.unique(labels):
        table[label] = answered[labels == label].mean(axis=0)
    np.fill_diagonal(table, np.nan)
    known = ~np.isnan(table)
    values, rows, columns, told = np.where(known, table, 0), np.zeros(count), np.zeros(count), known.any(axis=0)
    for _ in range(50):
        rows = np.where(known, values - columns, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        columns = np.where(known, values - rows[:, None], 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        columns[told] -= columns[told].mean() if told.any() else 0.0
    found = []
    for numbers in ((table - rows[:, None] - columns)[known], columns[told]):
        ordered, deviation = np.sort(numbers), float(numbers.std()) if len(numbers) else 0.0
        both = (ordered[-1], ordered[-1] - ordered[-2:][0]) if len(numbers) else (0.0, 0.0)
        found += [*both, deviation, both[0] / (deviation + 0.02)]
    return found


@pytest.mark.parametrize("classes", [1, 2, 5, 43, 200])
@pytest.mark.parametrize("images", [1, 7, 40, 300])
def test_numbers_are_to_the_bit_those_of_all_pairs_of_classes(classes: int, images: int) -> None:
    for spread in (0.3, 5.0, 60.0):
        logits = RNG.normal(0, spread, size=(images, classes)).astype(np.float32)
        labels = RNG.integers(0, classes, size=images)
        assert Attraction.of(logits, labels).statistics().tolist() == of_all_pairs(logits, labels)


@pytest.mark.hostile
@pytest.mark.parametrize("read", [Attraction.of, own_attraction])
def test_memory_does_not_grow_with_pairs_of_classes(read: Callable[..., object]) -> None:
    """All pairs of 20 000 classes would be 3.2 GB; the logits of ten images are 0.8 MB."""
    logits, labels = RNG.normal(size=(10, 20_000)).astype(np.float32), np.arange(10) % 4
    logits[np.arange(10), labels] += 30  # all of them are right
    tracemalloc.start()
    try:
        read(logits, labels)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("classes", [1, 2, 3, 40])
@pytest.mark.parametrize("kind", ["random", "equal", "not a number", "infinite", "huge"])
@pytest.mark.parametrize("images", [1, 40])
def test_statistics_are_finite_and_bounded(classes: int, kind: str, images: int) -> None:
    logits = RNG.normal(size=(images, classes)).astype(np.float32)
    values = {"equal": 1.0, "not a number": np.nan, "infinite": np.inf, "huge": 3e38}
    if kind in values:
        logits[: max(1, images // 2)] = values[kind]
        logits[0, 0] = {"infinite": -np.inf, "huge": -3e38}.get(kind, logits[0, 0])
    found = Attraction.of(logits, np.arange(images) % classes).statistics()
    assert found.shape == (len(ATTRACTION_STATISTICS),)
    assert np.isfinite(found).all()
    assert np.abs(found).max() <= 1000
