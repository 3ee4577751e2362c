"""Attraction: tables that are taken apart by hand and by scikit-learn, and a trojan's trace among them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from detector.signals.attraction import ATTRACTION_STATISTICS, Attraction

RNG = np.random.default_rng(0)


def logits_of(table: np.ndarray, each: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose log-probabilities are those of the table, row by row, for `each` images of every class."""
    normalised = table - np.log(np.exp(table).sum(axis=1, keepdims=True))
    return np.repeat(normalised, each, axis=0), np.repeat(np.arange(len(table)), each)


def additive(classes: int) -> np.ndarray:
    """What rows and columns explain, with a strong diagonal."""
    return RNG.normal(size=(classes, 1)) + RNG.normal(size=classes) + 6 * np.eye(classes)


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
    assert np.isnan(found.pairs[4:]).all()
    assert np.isfinite(found.pairs[:4][~np.eye(6, dtype=bool)[:4]]).all()
    assert np.isfinite(found.statistics()).all()


def test_a_class_of_which_only_its_own_images_could_tell_is_not_compared() -> None:
    """Images of class 0 alone: what they answer of the other classes counts, nobody tells whether 0 is favoured."""
    logits = np.log([[0.7, 0.2, 0.05, 0.05]])
    found = Attraction.of(logits, np.array([0]))
    expected = logits[0, 1:] - logits[0, 1:].mean()
    np.testing.assert_allclose(found.classes, expected)
    assert named(found)["largest_class"] == pytest.approx(expected.max())
    assert named(found)["largest_pair"] == pytest.approx(0)


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
