"""The feature vector: which reading stands where, by hand."""

import numpy as np
import pytest

from detector.signals.features import PER_MODEL, Reduction, feature_matrix, feature_names, feature_vector
from detector.signals.signals import CLASSIFIER_STATISTICS, PER_VARIANT, Signal

# Two variants, six signals: the units say which signal, the tens which variant.
READINGS = np.array([[0, 1, 2, 3, 4, 5], [10, 11, 12, 13, 14, 15]], dtype=np.float64)
STATISTICS = {
    Signal.CLASSIFIER_WEIGHTS: np.arange(100, 106, dtype=np.float64),
    Signal.UNPRUNED: np.arange(200, 207, dtype=np.float64),
    Signal.ATTRACTION: np.arange(300, 308, dtype=np.float64),
}


def test_one_number_a_variant_signal_by_signal() -> None:
    signals = (Signal.MARGIN, Signal.CLASSIFIER_WEIGHTS, Signal.ACCURACY)
    vector = feature_vector(signals, Reduction.VARIANTS, [READINGS], STATISTICS)
    assert vector.tolist() == [2, 12, 100, 101, 102, 103, 104, 105, 0, 10]
    assert feature_names(signals, Reduction.VARIANTS, [2]) == (
        "margin_00",
        "margin_01",
        *(f"classifier_weights_{name}" for name in CLASSIFIER_STATISTICS),
        "accuracy_00",
        "accuracy_01",
    )


def test_what_is_read_off_the_unpruned_network_is_taken_as_it_is() -> None:
    signals = (Signal.ATTRACTION, Signal.UNPRUNED, Signal.ENTROPY)
    vector = feature_vector(signals, Reduction.MEAN, [READINGS, READINGS], STATISTICS)
    assert vector.tolist() == [*range(300, 308), *range(200, 207), 8, 8]
    names = feature_names(signals, Reduction.MEAN, [2, 2])
    assert names[0] == "attraction_largest_pair"
    assert names[8:15] == tuple(f"unpruned_{name}" for name in (*PER_VARIANT, "log_classes"))


def test_summary_by_hand() -> None:
    """Of 4 and 14: mean 9, standard deviation 5."""
    signals = (Signal.CONCENTRATION, Signal.LOWEST_RECALL)
    vector = feature_vector(signals, Reduction.SUMMARY, [READINGS], STATISTICS)
    assert vector.tolist() == [9, 5, 4, 14, 10, 5, 5, 15]
    names = feature_names(signals, Reduction.SUMMARY, [2])
    assert names[:4] == tuple(f"concentration_{word}" for word in ("mean", "deviation", "smallest", "largest"))
    assert len(names) == 8


def test_several_thetas_follow_each_other_within_a_signal() -> None:
    """A second theta has one variant only."""
    signals = (Signal.LOG_PROBABILITY, Signal.CLASSIFIER_WEIGHTS, Signal.ACCURACY)
    vector = feature_vector(signals, Reduction.MEAN, [READINGS, READINGS[:1] + 50], STATISTICS)
    assert vector.tolist() == [6, 51, 100, 101, 102, 103, 104, 105, 5, 50]
    names = feature_names(signals, Reduction.MEAN, [2, 1])
    assert names[:2] == ("theta00_log_probability_mean", "theta01_log_probability_mean")
    assert names[2] == f"classifier_weights_{CLASSIFIER_STATISTICS[0]}"
    vector = feature_vector(signals[:1], Reduction.VARIANTS, [READINGS, READINGS[:1] + 50], STATISTICS)
    assert vector.tolist() == [1, 11, 51]


@pytest.mark.parametrize("reduction", Reduction)
@pytest.mark.parametrize("signals", [(Signal.ACCURACY,), (Signal.CLASSIFIER_WEIGHTS,), tuple(Signal)[::-1]])
def test_learning_and_detection_see_the_same_numbers(signals: tuple[Signal, ...], reduction: Reduction) -> None:
    rng = np.random.default_rng(0)
    variants = [rng.normal(size=(4, 5, 6)), rng.normal(size=(4, 3, 6))]
    statistics = {signal: rng.normal(size=(4, len(names))) for signal, names in PER_MODEL.items()}
    matrix = feature_matrix(signals, reduction, variants, statistics)
    assert matrix.shape == (4, len(feature_names(signals, reduction, [5, 3])))
    for number, (row, *readings) in enumerate(zip(matrix, *variants, strict=True)):
        own = {signal: numbers[number] for signal, numbers in statistics.items()}
        assert row.tolist() == feature_vector(signals, reduction, readings, own).tolist()


def test_the_order_of_variants_is_no_matter_to_a_summary() -> None:
    one = feature_vector(tuple(Signal), Reduction.SUMMARY, [READINGS], STATISTICS)
    assert one.tolist() == feature_vector(tuple(Signal), Reduction.SUMMARY, [READINGS[::-1]], STATISTICS).tolist()
