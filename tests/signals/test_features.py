"""The feature vector: which reading stands where, by hand."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from detector.signals.classifier_weights import CLASSIFIER_STATISTICS
from detector.signals.features import Reduction, feature_matrix, feature_names, feature_vector, make_features
from detector.signals.registry import SIGNALS, model_signal, per_model, per_variant

# Two variants, six signals: the units say which signal, the tens which variant.
READINGS = np.array([[0, 1, 2, 3, 4, 5], [10, 11, 12, 13, 14, 15]], dtype=np.float64)
STATISTICS = {
    "classifier_weights": np.arange(100, 106, dtype=np.float64),
    "unpruned": np.arange(200, 207, dtype=np.float64),
    "attraction": np.arange(300, 308, dtype=np.float64),
}


def by_name(readings: np.ndarray) -> dict[str, np.ndarray]:
    """Of readings (..., 6), by signal."""
    return {name: readings[..., column] for column, name in enumerate(per_variant())}


def vector_of(
    signals: Sequence[str], reduction: Reduction, variants: Sequence[np.ndarray], numbers: Mapping[str, np.ndarray]
) -> list[float]:
    features = make_features(signals, reduction, [len(one) for one in variants])
    return [float(value) for value in feature_vector(features, list(map(by_name, variants)), numbers)]


def test_one_number_a_variant_signal_by_signal() -> None:
    signals = ("margin", "classifier_weights", "accuracy")
    vector = vector_of(signals, Reduction.VARIANTS, [READINGS], STATISTICS)
    assert vector == [2, 12, 100, 101, 102, 103, 104, 105, 0, 10]
    assert feature_names(signals, Reduction.VARIANTS, [2]) == (
        "margin_00",
        "margin_01",
        *(f"classifier_weights_{name}" for name in CLASSIFIER_STATISTICS),
        "accuracy_00",
        "accuracy_01",
    )


def test_what_is_read_off_the_unpruned_network_is_taken_as_it_is() -> None:
    signals = ("attraction", "unpruned", "entropy")
    vector = vector_of(signals, Reduction.MEAN, [READINGS, READINGS], STATISTICS)
    assert vector == [*range(300, 308), *range(200, 207), 8, 8]
    names = feature_names(signals, Reduction.MEAN, [2, 2])
    assert names[0] == "attraction_largest_pair"
    assert names[8:15] == tuple(f"unpruned_{name}" for name in (*per_variant(), "log_classes"))


def test_summary_by_hand() -> None:
    """Of 4 and 14: mean 9, standard deviation 5."""
    signals = ("concentration", "lowest_recall")
    vector = vector_of(signals, Reduction.SUMMARY, [READINGS], STATISTICS)
    assert vector == [9, 5, 4, 14, 10, 5, 5, 15]
    names = feature_names(signals, Reduction.SUMMARY, [2])
    assert names[:4] == tuple(f"concentration_{word}" for word in ("mean", "deviation", "smallest", "largest"))
    assert len(names) == 8


def test_several_thetas_follow_each_other_within_a_signal() -> None:
    """A second theta has one variant only."""
    signals = ("log_probability", "classifier_weights", "accuracy")
    vector = vector_of(signals, Reduction.MEAN, [READINGS, READINGS[:1] + 50], STATISTICS)
    assert vector == [6, 51, 100, 101, 102, 103, 104, 105, 5, 50]
    names = feature_names(signals, Reduction.MEAN, [2, 1])
    assert names[:2] == ("theta00_log_probability_mean", "theta01_log_probability_mean")
    assert names[2] == f"classifier_weights_{CLASSIFIER_STATISTICS[0]}"
    vector = vector_of(signals[:1], Reduction.VARIANTS, [READINGS, READINGS[:1] + 50], STATISTICS)
    assert vector == [1, 11, 51]


@pytest.mark.parametrize("reduction", Reduction)
@pytest.mark.parametrize("signals", [("accuracy",), ("classifier_weights",), SIGNALS.names()[::-1]])
def test_learning_and_detection_see_the_same_numbers(signals: tuple[str, ...], reduction: Reduction) -> None:
    rng = np.random.default_rng(0)
    variants = [rng.normal(size=(4, 5, 6)), rng.normal(size=(4, 3, 6))]
    statistics = {signal: rng.normal(size=(4, len(model_signal(signal).numbers))) for signal in per_model()}
    matrix = feature_matrix(make_features(signals, reduction, [5, 3]), list(map(by_name, variants)), statistics)
    assert matrix.shape == (4, len(feature_names(signals, reduction, [5, 3])))
    for number, (row, *readings) in enumerate(zip(matrix, *variants, strict=True)):
        own = {signal: numbers[number] for signal, numbers in statistics.items()}
        assert row.tolist() == vector_of(signals, reduction, readings, own)


def test_the_order_of_variants_is_no_matter_to_a_summary() -> None:
    signals = (*per_variant(), *STATISTICS)
    summary = vector_of(signals, Reduction.SUMMARY, [READINGS], STATISTICS)
    assert summary == vector_of(signals, Reduction.SUMMARY, [READINGS[::-1]], STATISTICS)
