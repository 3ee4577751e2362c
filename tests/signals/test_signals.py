"""Signals, counted by hand and against scikit-learn, SciPy and PyTorch."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its customary name
from scipy.stats import median_abs_deviation
from sklearn.metrics import accuracy_score, recall_score

from detector.architectures import ARCHITECTURES, build
from detector.graph.reference import reference_graph
from detector.signals.classifier_weights import CLASSIFIER_STATISTICS, classifier_statistics, model_statistics
from detector.signals.reading import unpruned_readings, variant_readings
from detector.signals.registry import SIGNALS, per_variant

RNG = np.random.default_rng(0)


def of_one(signal: str, pruned: np.ndarray, unpruned: np.ndarray, labels: list[int]) -> list[float]:
    readings = variant_readings(pruned, unpruned, np.array(labels), (signal,))
    assert readings.shape == (len(pruned), 1)
    assert readings.dtype == np.float64
    return [float(value) for value in readings[:, 0]]


def accuracies(logits: np.ndarray, labels: list[int]) -> list[float]:
    """With an unpruned network that is always wrong: accuracies are relative to nothing."""
    return of_one("accuracy", logits, -np.eye(logits.shape[2])[labels], labels)


def test_accuracy_by_hand() -> None:
    logits = np.array(
        [
            [[2, 1, 0], [0, 3, 1], [0, 0, 9], [1, 0, 0]],  # 0 1 2 0
            [[0, 1, 0], [0, 1, 0], [0, 1, 0], [0, 1, 0]],  # 1 1 1 1
            [[5, 5, 5], [0, 7, 7], [1, 0, 1], [0, 0, 1]],  # 0 1 0 2: the first of equals
        ],
        dtype=np.float32,
    )
    assert accuracies(logits, [0, 1, 2, 2]) == [0.75, 0.25, 0.75]


def test_accuracy_is_scikit_learns() -> None:
    logits, labels = RNG.normal(size=(15, 10, 7)), RNG.integers(0, 7, 10)
    expected = [accuracy_score(labels, variant.argmax(axis=1)) for variant in logits]
    assert accuracies(logits, labels.tolist()) == expected


def test_accuracies_of_ten_images_survive_rounding_to_4_decimals() -> None:
    """NIST fitted on rounded accuracies; ours are the same numbers without rounding."""
    logits = np.zeros((11, 10, 2))
    for right in range(11):
        logits[right, :right, 1] = 1
    assert accuracies(logits, [1] * 10) == [round(right / 10, 4) for right in range(11)]


def test_nan_is_never_right_and_infinity_may_be() -> None:
    logits = np.array([[[np.nan, 0], [np.nan, np.nan], [np.inf, 0], [0, -np.inf]]])
    assert accuracies(logits, [0] * 4) == [0.5]


# Logits that are logarithms of probabilities, so that everything can be worked out by hand.
PRUNED = np.log([[[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.7, 0.2, 0.1]]])
UNPRUNED = np.log([[0.5, 0.25, 0.25], [0.2, 0.4, 0.4], [0.2, 0.2, 0.6]])
LABELS = [0, 1, 2]
BY_HAND = {
    "accuracy": 2 / 3,
    "log_probability": math.log(0.7 * 0.6 * 0.1 / (0.5 * 0.4 * 0.6)) / 3,
    "margin": (math.log(0.7 / 0.2 * 0.6 / 0.3 * 0.1 / 0.7) - math.log(2 * 1 * 3)) / 3,
    "entropy": -(
        2 * (0.7 * math.log(0.7) + 0.2 * math.log(0.2) + 0.1 * math.log(0.1))
        + (0.1 * math.log(0.1) + 0.6 * math.log(0.6) + 0.3 * math.log(0.3))
        - (0.5 * math.log(0.5) + 0.5 * math.log(0.25))
        - (0.2 * math.log(0.2) + 0.8 * math.log(0.4))
        - (0.4 * math.log(0.2) + 0.6 * math.log(0.6))
    )
    / 3,
    "concentration": 1.5 / 3 - 1.25 / 3,  # of class 0, and of class 2
    "lowest_recall": 0 - 1,
}


@pytest.mark.parametrize("signal", BY_HAND)
def test_each_signal_by_hand(signal: str) -> None:
    assert of_one(signal, PRUNED, UNPRUNED, LABELS) == [pytest.approx(BY_HAND[signal], abs=1e-12)]


def test_all_signals_at_once_are_the_single_ones_in_order() -> None:
    assert per_variant() == SIGNALS.names()[:6] == tuple(BY_HAND)
    readings = variant_readings(PRUNED, UNPRUNED, np.array(LABELS))
    np.testing.assert_allclose(readings, [list(BY_HAND.values())], rtol=0, atol=1e-12)


def test_a_variant_that_answers_like_the_unpruned_network_differs_in_nothing() -> None:
    logits = RNG.normal(size=(8, 5)).astype(np.float32)
    labels = logits.argmax(1)
    readings = variant_readings(np.stack([logits, logits]), logits, labels)
    np.testing.assert_allclose(readings, [[1, 0, 0, 0, 0, 0]] * 2, rtol=0, atol=1e-12)


def test_the_unpruned_network_is_read_as_it_is() -> None:
    """Against PyTorch and scikit-learn."""
    logits, labels = RNG.normal(0, 2, (40, 6)), np.arange(40) % 6
    tensor, answers = torch.from_numpy(logits), logits.argmax(1)
    probabilities = F.softmax(tensor, dim=1)
    margins = [row[k] - max(np.delete(row, k)) for row, k in zip(logits, labels, strict=True)]
    expected = [
        accuracy_score(labels, answers),
        -F.cross_entropy(tensor, torch.from_numpy(labels)).item(),
        np.mean(margins),
        torch.distributions.Categorical(probabilities).entropy().mean().item(),  # type: ignore[no-untyped-call]
        probabilities.mean(0).max().item(),
        min(recall_score(labels, answers, average=None)),
    ]
    np.testing.assert_allclose(unpruned_readings(logits, labels), expected, rtol=0, atol=1e-12)


def test_recall_only_counts_classes_that_have_images() -> None:
    logits = np.eye(5)[[1, 3, 0]][None]
    assert of_one("lowest_recall", logits, np.eye(5)[[1, 3, 3]], [1, 3, 3]) == [0.5 - 1]


def test_shifting_logits_changes_nothing() -> None:
    logits, unpruned, labels = RNG.normal(size=(3, 6, 4)), RNG.normal(size=(6, 4)), RNG.integers(0, 4, 6)
    shifted = variant_readings(logits + 300, unpruned - 50, labels)
    np.testing.assert_allclose(shifted, variant_readings(logits, unpruned, labels), rtol=0, atol=1e-10)


def test_outliers_do_not_rule() -> None:
    """Certainties beyond 20 nats are all the same, right or wrong."""
    logits = np.array([[[1e9, 0], [0, 1e9]], [[25, 0], [0, 25]]], dtype=np.float32)
    unpruned = np.zeros((2, 2))
    assert of_one("margin", logits, unpruned, [0, 0]) == [0, 0]
    right, lost = 0, -20
    expected = (right + lost) / 2 + math.log(2)
    assert of_one("log_probability", logits, unpruned, [0, 0]) == [pytest.approx(expected, abs=1e-9)] * 2


def test_answers_that_are_no_numbers_are_the_worst() -> None:
    logits = np.full((1, 2, 4), np.nan, dtype=np.float32)
    assert unpruned_readings(logits[0], np.array([0, 1])).tolist() == pytest.approx(
        [0, -20, -20, math.log(4), 0.25, 0], abs=1e-12
    )
    one = np.array([[np.nan, 9, 9, 9], [0, 9, 0, 0]], dtype=np.float32)
    single = unpruned_readings(one[1:], np.array([1]))
    both = unpruned_readings(one, np.array([1, 1]))
    assert both[1:3] == pytest.approx([(single[1] - 20) / 2, (single[2] - 20) / 2])


def test_an_infinite_logit_is_an_answer() -> None:
    """All of the probability of its class; two of them share it."""
    logits = np.array([[np.inf, 0, -np.inf], [np.inf, np.inf, 0]], dtype=np.float32)
    readings = unpruned_readings(logits, np.array([0, 1]))
    assert readings.tolist() == pytest.approx([0.5, -math.log(2) / 2, 10, math.log(2) / 2, 0.75, 0])


@pytest.mark.parametrize("filling", [np.nan, np.inf, -np.inf, 3e38, -3e38, 0])
@pytest.mark.parametrize("classes", [1, 2, 50])
def test_readings_are_always_finite(filling: float, classes: int) -> None:
    logits = RNG.normal(size=(4, 6, classes)).astype(np.float32)
    logits[RNG.random(logits.shape) < 0.4] = filling
    logits[0] = filling
    assert np.isfinite(variant_readings(logits, logits[1], RNG.integers(0, classes, 6))).all()


@pytest.mark.parametrize(("logits", "labels"), [((2, 3), (3,)), ((2, 3, 4), (2,)), ((2, 0, 4), (0,))])
def test_shapes_are_checked(logits: tuple[int, ...], labels: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected logits"):
        variant_readings(np.zeros(logits), np.zeros(logits[1:]), np.zeros(labels, dtype=np.int64))


def test_statistics_of_the_classifier_by_hand() -> None:
    """Sums 1 2 3 4 20, whose median is 3 and whose median distance from it 1; norms 3 3 3 3 3, without any spread."""
    weight = np.array([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    for row, total in zip(weight, (0.1, 0.2, 0.3, 0.4, 2.0), strict=True):  # a + b = total, a^2 + b^2 = 9
        row[:] = total / 2 + math.sqrt(4.5 - total**2 / 4) * np.array([1, -1])
    statistics = dict(zip(CLASSIFIER_STATISTICS, classifier_statistics(weight).tolist(), strict=True))
    assert statistics["largest_sum"] == pytest.approx(1.7 / 0.14826)
    assert statistics["smallest_sum"] == pytest.approx(-0.2 / 0.14826)
    assert statistics["sum_gap"] == pytest.approx(1.6 / 0.14826)
    assert [statistics[name] for name in ("largest_norm", "smallest_norm", "norm_gap")] == pytest.approx([0] * 3)


def test_robust_deviations_are_scipys() -> None:
    weight = RNG.normal(size=(12, 300)) * RNG.uniform(0.5, 2, (12, 1))
    norms = np.linalg.norm(weight, axis=1)
    scores = np.sort(norms - np.median(norms)) / median_abs_deviation(norms, scale="normal")
    expected = [scores[-1], scores[0], scores[-1] - scores[-2]]
    np.testing.assert_allclose(classifier_statistics(weight)[3:], expected, rtol=1e-4)


def test_statistics_do_not_depend_on_the_order_of_classes_features_or_the_scale() -> None:
    weight, bias = RNG.normal(size=(9, 40)), RNG.normal(size=9)
    expected = classifier_statistics(weight, bias)
    order = RNG.permutation(9)
    shuffled = weight[order][:, RNG.permutation(40)]
    np.testing.assert_allclose(classifier_statistics(shuffled, bias[order]), expected, rtol=1e-9)
    np.testing.assert_allclose(classifier_statistics(weight * 7, bias * 7), expected, rtol=1e-9)


def test_the_bias_is_one_more_weight() -> None:
    weight, bias = RNG.normal(size=(6, 20)), RNG.normal(size=6)
    assert classifier_statistics(weight, bias).tolist() == (
        classifier_statistics(np.column_stack([weight, bias])).tolist()
    )


@pytest.mark.parametrize("classes", [1, 2, 3, 50])
@pytest.mark.parametrize("kind", ["random", "equal", "zero", "broken", "one giant"])
def test_statistics_are_finite_and_bounded(classes: int, kind: str) -> None:
    weight = RNG.normal(size=(classes, 16)).astype(np.float32)
    if kind == "equal":
        weight[:] = weight[0]
    elif kind == "zero":
        weight[:] = 0
    elif kind == "broken":
        weight[0, :3] = np.nan, np.inf, -np.inf
    elif kind == "one giant":
        weight[-1] = 3e38
    statistics = classifier_statistics(weight)
    assert statistics.shape == (len(CLASSIFIER_STATISTICS),)
    assert np.abs(statistics).max() <= 40  # a gap may lie between the bounds on either side
    assert kind not in ("equal", "zero") or not statistics.any()


@pytest.mark.parametrize(
    ("architecture", "module"),
    [("squeezenetv1_1", "classifier.1"), ("resnet18", "fc"), ("mobilenetv2", "classifier.1"), ("vgg11bn", None),
     ("densenet121", "classifier"), ("shufflenet1_0", "fc"), ("googlenet", "fc"), ("inceptionv3", "fc")],
)  # fmt: skip
def test_the_classifier_is_found(architecture: str, module: str | None) -> None:
    """Its weights alone count: a target class is planted there."""
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in build(ARCHITECTURES[architecture], 7).state_dict().items()}
    arrays = {name: np.zeros(shape, dtype=np.float32) for name, shape in shapes.items() if name.endswith((".bias",))}
    module = module or "classifier.6"
    arrays[f"{module}.weight"] = RNG.normal(size=shapes[f"{module}.weight"]).astype(np.float32)
    arrays[f"{module}.weight"][3] += 9
    arrays[f"{module}.bias"] = np.ones(7, dtype=np.float32)
    found = model_statistics(reference_graph(architecture), arrays)
    rows = arrays[f"{module}.weight"].reshape(7, -1)
    assert found[0] == pytest.approx(classifier_statistics(np.column_stack([rows, np.ones(7)]))[0])
    assert found[0] == 20
