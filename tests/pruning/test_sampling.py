"""Positions in the ranking: hand-computed cases, the paper's promises over a grid, and NIST's arithmetic."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from detector.base.errors import ParametersError
from detector.pruning.sampling import check_samplable, number_of_filters, positions
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, SelectionRule, Theta

PAPER, NIST = SelectionRule.PAPER, SelectionRule.NIST
RANDOM, UNIFORM, TARGETED = SamplingMethod.RANDOM, SamplingMethod.UNIFORM, SamplingMethod.TARGETED
SIZES = (1, 2, 3, 5, 32, 64, 96, 128)
MODELS = (1, 2, 5, 15, 35)
SHARES = (0.001, 0.02, 0.067, 0.1, 0.2, 0.5, 0.9)


def make_theta(
    sampling: SamplingMethod = TARGETED, p: float = 0.067, models: int = 15, rule: SelectionRule = PAPER, seed: int = 0
) -> Theta:
    return Theta(PruningMethod.RESET, sampling, RankingMethod.L1, p, models, 10, rule=rule, seed=seed)


def every(theta: Theta, filters: int, layer: int = 3) -> list[list[int]]:
    return [positions(theta, filters, s, layer).tolist() for s in range(theta.num_pruned_models)]


@pytest.mark.parametrize(
    ("filters", "p", "paper", "nist"),
    [
        (64, 0.067, 5, 4),  # 4.288
        (32, 0.029, 1, 0),  # 0.928
        (32, 0.001, 1, 0),
        (100, 0.07, 7, 7),  # 7.000000000000001 in floating point
        (100, 0.29, 29, 28),  # 28.999999999999996
        (128, 0.5, 64, 64),
        (3, 0.9, 2, 2),  # 2.7: not all three
        (2, 0.9, 1, 1),
        (1, 0.9, 0, 0),  # the only filter stays
        (15, 1 / 15, 1, 1),
    ],
)
def test_number_of_filters(filters: int, p: float, paper: int, nist: int) -> None:
    assert number_of_filters(filters, p, PAPER) == paper
    assert number_of_filters(filters, p, NIST) == nist


@pytest.mark.parametrize("sampling", SamplingMethod)
@pytest.mark.parametrize(("filters", "p"), [*itertools.product(SIZES, SHARES)])
def test_paper_prunes_n_distinct_filters_and_reaches_all_of_them(
    sampling: SamplingMethod, filters: int, p: float
) -> None:
    n = number_of_filters(filters, p, PAPER)
    assert (1 <= n < filters) or filters == 1
    for models in MODELS:
        chosen = every(make_theta(sampling, p, models), filters)
        assert all(len(one) == n and sorted(set(one)) == one for one in chosen)
        reached = set().union(*chosen)
        assert reached <= set(range(filters))
        if n * models >= filters:
            assert reached == set(range(filters))


def test_paper_targeted_windows_run_from_the_lowest_to_the_highest_filter() -> None:
    chosen = every(make_theta(p=0.067, models=15), 64)  # n = 5; 59 / 14 = 4.214 from start to start
    assert [one[0] for one in chosen] == [0, 4, 8, 13, 17, 21, 25, 30, 34, 38, 42, 46, 51, 55, 59]
    assert chosen[14] == [59, 60, 61, 62, 63]  # NIST's rule never prunes the top four


def test_paper_targeted_with_one_model_prunes_the_lowest() -> None:
    assert every(make_theta(p=0.2, models=1), 10) == [[0, 1]]


def test_paper_targeted_with_more_models_than_filters() -> None:
    assert every(make_theta(p=0.2, models=5), 3) == [[0], [0], [1], [2], [2]]  # round(0, .5, 1, 1.5, 2)


def test_paper_uniform_positions() -> None:
    assert every(make_theta(UNIFORM, 0.3, 2), 10) == [[0, 3, 6], [1, 5, 8]]  # floor((i + s/2) 10/3)
    assert every(make_theta(UNIFORM, 0.3, 1), 10) == [[0, 3, 6]]


@pytest.mark.parametrize("rule", SelectionRule)
def test_random_depends_on_seed_layer_and_variant_only(rule: SelectionRule) -> None:
    theta = make_theta(RANDOM, 0.2, 5, rule)
    assert every(theta, 64) == every(theta, 64)
    assert positions(theta, 64, 4, 3).tolist() == every(theta, 64)[4]
    assert len({tuple(one) for one in every(theta, 64)}) == 5
    assert every(theta, 64) != every(theta, 64, layer=4)
    assert every(theta, 64) != every(make_theta(RANDOM, 0.2, 5, rule, seed=1), 64)


def test_random_reaches_every_filter_about_equally_often() -> None:
    counts = np.zeros(10)
    for seed in range(400):
        counts[positions(make_theta(RANDOM, 0.3, 5, seed=seed), 10, 3, 0)] += 1  # a hand from two decks
    assert counts.sum() == 1200
    assert np.all(np.abs(counts - 120) < 40)  # four standard deviations of a binomial(400, .3)


def test_nist_targeted_never_reaches_the_strongest_filters() -> None:
    chosen = every(make_theta(rule=NIST), 64)  # n = 4, 64 // 14 = 4 from start to start
    assert [one[0] for one in chosen] == list(range(0, 57, 4))
    assert chosen[14] == [56, 57, 58, 59]


@pytest.mark.parametrize(
    ("filters", "last"),
    [(32, [28, 29]), (96, list(range(84, 90))), (128, list(range(120, 128)))],  # 128: 126 ... 133 pulled back
)
def test_nist_targeted_last_window(filters: int, last: list[int]) -> None:
    assert every(make_theta(rule=NIST), filters)[14] == last


def test_nist_targeted_with_fewer_filters_than_steps_always_prunes_the_lowest() -> None:
    assert every(make_theta(p=0.2, models=15, rule=NIST), 12) == [[0, 1]] * 15  # 12 // 14 = 0


def test_nist_leaves_a_layer_alone_when_n_is_0() -> None:
    for sampling in SamplingMethod:
        assert every(make_theta(sampling, 0.029, 35, NIST), 32) == [[]] * 35


def test_nist_uniform_rounds_to_even_and_may_prune_more_than_n() -> None:
    assert every(make_theta(UNIFORM, 0.3, 3, NIST), 10) == [[0, 3, 6, 9], [2, 5, 8], [3, 6, 9]]  # n = 3
    assert every(make_theta(UNIFORM, 0.2, 3, NIST), 20)[1] == [2, 7, 12, 17]  # starts at round(2.5) = 2
    assert every(make_theta(UNIFORM, 0.6, 2, NIST), 10)[0] == list(range(10))  # int(10 / 6) = 1: everything


def test_nist_random_draws_n_distinct_filters() -> None:
    for one in every(make_theta(RANDOM, 0.2, 5, NIST), 64):
        assert len(one) == 12
        assert sorted(set(one)) == one
        assert set(one) <= set(range(64))


@pytest.mark.parametrize("sampling", [TARGETED, UNIFORM])
def test_nist_refuses_a_single_model(sampling: SamplingMethod) -> None:
    with pytest.raises(ParametersError, match=r"divide by \|S\| - 1"):
        check_samplable(make_theta(sampling, models=1, rule=NIST))


def test_a_single_model_is_fine_otherwise() -> None:
    check_samplable(make_theta(RANDOM, models=1, rule=NIST))
    for sampling in SamplingMethod:
        check_samplable(make_theta(sampling, models=1))
