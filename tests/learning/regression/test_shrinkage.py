"""Fits from a start: the scale written out by hand, the optimum by scipy, what few and what many models change."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import check_grad, minimize

from detector.learning.regression.any_of import Scale
from detector.learning.regression.shrinkage import PSEUDO_MODELS, Start, _Problem, fit_from
from detector.mapping.any_of import AnyOf, Cause

NAMES = ("first", "second", "third")
MAPPING = AnyOf(
    0.05,
    (
        Cause("first", 0.2, 0.05, -2.0, 9.0, -3.0, 1.5),
        Cause("second", 0.3, 0.1, -1.5, 4.0, -2.5, 1.0),
        Cause("third", 0.6, 0.2, -2.5, 1.5, -3.5, 2.0),
    ),
)
START = Start.of(MAPPING)
PENALTIES = (math.inf, 1.0, 0.1, 0.003)


def planted(seed: int, count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Each poisoned model shows in one of three readings; clean ones lie elsewhere than in the start."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    features = rng.normal([0.35, 0.3, 0.5], [0.04, 0.15, 0.1], (count, 3))
    shown = rng.integers(3, size=count)
    features[np.arange(count), shown] += 0.4 * labels * rng.choice([1, 0.3], count)
    return features, labels


def shuffled(seed: int, sets: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """The same with several sets of labels, the true ones first."""
    features, labels = planted(seed)
    rng = np.random.default_rng(seed)
    return features, np.column_stack([labels, *(rng.permutation(labels) for _ in range(sets - 1))])


def by_hand(mapping: AnyOf, features: np.ndarray) -> np.ndarray:
    return np.array([mapping.apply(dict(zip(NAMES, row, strict=True))).probability for row in features.tolist()])


def loss(changes: np.ndarray, inputs: np.ndarray, labels: np.ndarray, penalty: float) -> float:
    """Model by model, in plain arithmetic."""
    changes = np.maximum(changes, [-MAPPING.background, -math.inf, -1.0])
    total = 0.0
    for row, label in zip(inputs.tolist(), labels.tolist(), strict=True):
        hazard = MAPPING.background + changes[0]
        for cause, value in zip(MAPPING.causes, row, strict=True):
            hazard += math.log1p(math.exp(cause.offset + changes[1] + (cause.slope + changes[2]) * value))
        total += -math.log(-math.expm1(-max(hazard, 1e-9))) if label else hazard
    return total / len(labels) + penalty * float((changes**2).sum())


def test_the_start_says_what_its_mapping_says() -> None:
    features, _ = planted(0)
    np.testing.assert_allclose(START.probabilities(features), by_hand(MAPPING, features), rtol=1e-12)


def test_the_scale_is_that_of_further_models() -> None:
    """Ten models around the start's centre with its spread, put together with the clean ones."""
    features, labels = shuffled(1, sets=2)
    scale = START.scale_with(features, labels)
    for column in range(2):
        clean = features[labels[:, column] == 0]
        for number, cause in enumerate(MAPPING.causes):
            own = clean[:, number] - clean[:, number].mean() + np.median(clean[:, number])  # centred at the median
            further = cause.centre + cause.spread * np.array([-1.0, 1.0] * (PSEUDO_MODELS // 2))
            pooled = np.concatenate([own, further])
            centre, spread = scale.centre[column, 0, number], scale.spread[column, 0, number]
            assert (centre, spread) == pytest.approx((pooled.mean(), pooled.std()))
            ends = (cause.centre + cause.spread * cause.low, cause.centre + cause.spread * cause.high)
            lowest = min(ends[0], features[:, number].min())
            highest = max(ends[1], features[:, number].max())
            assert centre + spread * scale.low[column, 0, number] == pytest.approx(lowest)
            assert centre + spread * scale.high[column, 0, number] == pytest.approx(highest)


def test_gradient() -> None:
    features, labels = shuffled(2, sets=1)
    scale = START.scale_with(features, labels)
    problem = _Problem(START, scale(features), labels.T)
    error = check_grad(
        lambda x: float(problem.losses(x[None], 0.01)[0]),
        lambda x: problem.derivatives(x[None], 0.01)[0][0],
        np.array([0.2, -0.4, 0.3]),
    )
    assert error < 1e-6


@pytest.mark.parametrize("penalty", [1.0, 0.03, 0.001])
@pytest.mark.parametrize("seed", range(4))
def test_the_optimum_is_that_of_another_method(seed: int, penalty: float) -> None:
    """Under true labels and shuffled ones, whose best numbers lie at their bounds."""
    features, labels = shuffled(seed)
    fits = fit_from(START, features, labels, (penalty,))
    inputs = fits.scale(features)
    for column in range(labels.shape[1]):
        data = inputs[column], labels[:, column], penalty
        options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000}
        found = minimize(loss, np.zeros(3), data, method="Nelder-Mead", options=options)
        assert loss(fits.changes[0, column], *data) <= found.fun + 1e-8


def test_all_penalties_at_once() -> None:
    features, labels = shuffled(5)
    together = fit_from(START, features, labels, PENALTIES)
    assert not together.changes[0].any()
    for number, penalty in enumerate(PENALTIES):
        for column in range(labels.shape[1]):
            alone = fit_from(START, features, labels[:, [column]], (penalty,))
            np.testing.assert_allclose(together.changes[number, column], alone.changes[0, 0], atol=1e-5)
    sizes = np.linalg.norm(together.changes[:, 0], axis=1)
    assert (np.diff(sizes) > 0).all()


@pytest.mark.parametrize("option", range(len(PENALTIES)))
def test_the_mapping_says_what_the_fit_says(option: int) -> None:
    features, labels = shuffled(6)
    fits = fit_from(START, features, labels, PENALTIES)
    others = np.random.default_rng(0).normal(0.4, 0.5, (50, 3))
    found = fits.probabilities(others)
    assert found.shape == (len(PENALTIES), 50, labels.shape[1])
    np.testing.assert_allclose(found[option, :, 0], by_hand(fits.mapping(option), others), atol=1e-4)  # six digits kept
    for column in range(labels.shape[1]):
        alone = fit_from(START, features, labels[:, [column]], PENALTIES)
        np.testing.assert_allclose(found[option, :, column], alone.probabilities(others)[option, :, 0], atol=1e-5)


def test_few_models_leave_the_start_nearly_as_it_is_and_many_do_not() -> None:
    features, labels = planted(7, 1000)
    few, many = (fit_from(START, features[:count], labels[:count, None], (math.inf,)) for count in (2, 1000))
    centres = np.array([fits.mapping(0).causes[0].centre for fits in (few, many)])
    middle = np.median(features[labels == 0, 0])
    assert abs(centres[0] - 0.2) < 0.1 * abs(middle - 0.2) + 1e-9
    assert abs(centres[1] - middle) < 0.05 * abs(middle - 0.2)


def test_what_a_start_knows_is_not_lost() -> None:
    """Four models that show in the first reading alone: one that shows in the third is found as by the start."""
    features = np.array([[0.2, 0.3, 0.6], [0.21, 0.29, 0.62], [0.6, 0.3, 0.6], [0.55, 0.31, 0.58]])
    labels = np.array([0, 0, 1, 1])
    other = np.array([[0.2, 0.3, 0.89]])
    found = fit_from(START, features, labels[:, None], (0.1,)).probabilities(other)[0, 0, 0]
    assert found == pytest.approx(START.probabilities(other)[0], abs=0.1)
    assert found > 2 * fit_from(START, features, labels[:, None], (0.1,)).probabilities(features)[0, 0, 0]


def test_both_kinds_are_needed_in_every_set() -> None:
    labels = np.array([[0, 0], [1, 0], [0, 0], [1, 0]])
    with pytest.raises(ValueError, match="clean and poisoned"):
        fit_from(START, np.zeros((4, 3)), labels, PENALTIES)


def test_a_scale_serves_many_sets_of_labels() -> None:
    scale = START.scale_with(*shuffled(8, sets=3))
    assert isinstance(scale, Scale)
    assert scale(np.zeros((7, 3))).shape == (3, 7, 3)
