"""Keys of filters and channels against hand-computed values and physically smaller filters."""

from __future__ import annotations

import numpy as np
import pytest

from detector.pruning.ranking import filter_keys, ranking, scale_keys, surviving_keys
from detector.pruning.theta import RankingMethod, SelectionRule

PAPER, NIST = SelectionRule.PAPER, SelectionRule.NIST
L1, L2, LINF, STDEV = RankingMethod.L1, RankingMethod.L2, RankingMethod.LINF, RankingMethod.STDEV

# Two filters over two input channels with kernels of 1 x 2: (1, -5), (2, 2) and (3, 3), (-3, 3).
WEIGHT = np.array([[[[1, -5]], [[2, 2]]], [[[3, 3]], [[-3, 3]]]], np.float32)


@pytest.mark.parametrize(
    ("method", "rule", "expected"),
    [
        (L1, PAPER, (10, 12)),
        (L2, PAPER, (34**0.5, 6)),
        (LINF, PAPER, (5, 3)),
        (STDEV, PAPER, (8.5**0.5, 6.75**0.5)),  # means 0 and 1.5
        (L1, NIST, (10, 12)),
        (L2, NIST, (34, 36)),  # no root
        (LINF, NIST, (2, 3)),  # signed, so the order is the other way round
        (STDEV, NIST, (8.5**0.5, 6.75**0.5)),
    ],
)
def test_filter_keys(method: RankingMethod, rule: SelectionRule, expected: tuple[float, float]) -> None:
    np.testing.assert_allclose(filter_keys(WEIGHT, method, rule), expected, rtol=1e-6)


def test_batch_normalisation_ranks_by_the_size_of_gamma_and_nist_by_gamma() -> None:
    gamma = np.array([0.5, -2, 1], np.float32)
    assert ranking(scale_keys(gamma, PAPER), PAPER).tolist() == [0, 2, 1]
    assert ranking(scale_keys(gamma, NIST), NIST).tolist() == [1, 0, 2]


def test_equal_keys_keep_the_order_of_the_channels() -> None:
    keys = np.array([1.0, 1 + 1e-12, 0, 1 - 1e-12] * 50)  # the differences are noise
    expected = [*range(2, 200, 4), *(i for i in range(200) if i % 4 != 2)]
    assert ranking(keys, PAPER).tolist() == expected


def test_keys_beyond_32_bits_rank_highest_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    assert ranking(np.array([1e300, 1.0, 2.0]), PAPER).tolist() == [1, 2, 0]
    assert not recwarn


@pytest.mark.parametrize("rule", SelectionRule)
@pytest.mark.parametrize("method", RankingMethod)
def test_surviving_keys_equal_the_keys_of_the_smaller_filters(method: RankingMethod, rule: SelectionRule) -> None:
    rng = np.random.default_rng(5)
    weight = rng.normal(0.05, 1, (7, 12, 3, 2)).astype(np.float32)
    living = rng.random((4, 12)) < 0.6
    for inputs, keys in zip(living, surviving_keys(weight, living, method, rule), strict=True):
        filters = weight[:, inputs].astype(np.float64).reshape(7, -1)
        expected = {
            L1: [sum(abs(w) for w in f) for f in filters],
            L2: [sum(w * w for w in f) ** 0.5 for f in filters],
            LINF: [max(f) if rule is NIST else max(abs(f)) for f in filters],
            STDEV: [(sum((w - f.mean()) ** 2 for w in f) / len(f)) ** 0.5 for f in filters],
        }
        np.testing.assert_allclose(keys, expected[method], rtol=1e-9)


def test_the_deviation_of_constant_filters_is_zero_not_nan() -> None:
    keys = surviving_keys(np.full((2, 3, 3, 3), 0.1, np.float32), np.ones((1, 3), bool), STDEV, PAPER)
    np.testing.assert_allclose(keys, 0, atol=1e-7)
