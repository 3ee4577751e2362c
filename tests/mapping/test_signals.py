"""Signals, counted by hand."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from detector.mapping.signals import Signal, features, measure


def test_accuracy_by_hand() -> None:
    logits = np.array(
        [
            [[2, 1, 0], [0, 3, 1], [0, 0, 9], [1, 0, 0]],  # 0 1 2 0
            [[0, 1, 0], [0, 1, 0], [0, 1, 0], [0, 1, 0]],  # 1 1 1 1
            [[5, 5, 5], [0, 7, 7], [1, 0, 1], [0, 0, 1]],  # 0 1 0 2: the first of equals
        ],
        dtype=np.float32,
    )
    vector = measure(Signal.ACCURACY, logits, np.array([0, 1, 2, 2]))
    assert vector.tolist() == [0.75, 0.25, 0.75]
    assert vector.dtype == np.float64
    assert len(vector) == 3 * features(Signal.ACCURACY)


def test_accuracy_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(15, 10, 7)), rng.integers(0, 7, 10)
    expected = [accuracy_score(labels, variant.argmax(axis=1)) for variant in logits]
    assert measure(Signal.ACCURACY, logits, labels).tolist() == expected


def test_accuracies_of_ten_images_survive_rounding_to_4_decimals() -> None:
    """NIST fitted on rounded accuracies; ours are the same numbers without rounding."""
    logits = np.zeros((11, 10, 2))
    for right in range(11):
        logits[right, :right, 1] = 1
    vector = measure(Signal.ACCURACY, logits, np.ones(10, dtype=np.int64))
    assert vector.tolist() == [round(right / 10, 4) for right in range(11)]


def test_nan_is_never_right_and_infinity_may_be() -> None:
    logits = np.array([[[np.nan, 0], [np.nan, np.nan], [np.inf, 0], [0, -np.inf]]])
    assert measure(Signal.ACCURACY, logits, np.zeros(4, dtype=np.int64)).tolist() == [0.5]


@pytest.mark.parametrize(("logits", "labels"), [((2, 3), (3,)), ((2, 3, 4), (2,)), ((2, 0, 4), (0,))])
def test_shapes_are_checked(logits: tuple[int, ...], labels: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected logits"):
        measure(Signal.ACCURACY, np.zeros(logits), np.zeros(labels, dtype=np.int64))
