"""The grids have the margins that the paper publishes, hold NIST's published tables, and can be measured."""

from __future__ import annotations

from collections import Counter

import pytest

from detector.pruning.theta import PruningMethod, SamplingMethod, SelectionRule, Theta
from detector.sweep.grids import ALL_IMAGES, Grid, execution_ladder, thetas
from laboratory.nist.tables import THETA as NIST_THETA


def margin(grid: Grid, field: str) -> dict[object, int]:
    return dict(Counter(getattr(theta, field) for theta in thetas(grid)))


def test_the_margins_of_round_1() -> None:
    """Paper, Section 5: 31 configurations."""
    grid = Grid.PAPER_ROUND1
    assert len(set(thetas(grid))) == 31
    assert margin(grid, "pruning_method") == {"Remove": 14, "Trim": 12, "Reset": 5}
    assert margin(grid, "sampling_method") == {"Targeted": 27, "Uniform": 2, "Random": 2}
    assert margin(grid, "ranking_method") == {"L1": 19, "Linf": 1, "stdev": 11}
    assert margin(grid, "num_pruned_models") == {5: 20, 10: 4, 15: 7}
    assert margin(grid, "num_images") == {10: 27, 20: 1, 30: 1, 40: 1, 100: 1}


def test_the_margins_of_round_2() -> None:
    """Paper, Section 5: 20 configurations."""
    grid = Grid.PAPER_ROUND2
    assert len(set(thetas(grid))) == 20
    assert margin(grid, "pruning_method") == {"Remove": 8, "Trim": 7, "Reset": 5}
    assert margin(grid, "sampling_method") == {"Targeted": 20}
    assert margin(grid, "ranking_method") == {"L1": 19, "stdev": 1}
    assert margin(grid, "num_pruned_models") == {5: 12, 15: 8}
    assert margin(grid, "num_images") == {10: 15, 30: 3, 40: 1, ALL_IMAGES: 1}


@pytest.mark.parametrize("grid", [Grid.PAPER_ROUND1, Grid.PAPER_ROUND2])
def test_published_coefficients_have_their_row(grid: Grid) -> None:
    """Reset with |S| = 15; Trim by the formula 4 k ceil(1000 / |S|) / 1000 for k = 1/2 and 1."""
    rows = {
        (theta.pruning_method, theta.p, theta.trim_k)
        for theta in thetas(grid)
        if (theta.sampling_method, theta.ranking_method, theta.num_pruned_models, theta.num_images)
        == (NIST_THETA.sampling_method, NIST_THETA.ranking_method, NIST_THETA.num_pruned_models, NIST_THETA.num_images)
    }
    for k, p in ((0.5, 0.134), (1.0, 0.268)):
        assert (PruningMethod.TRIM, p, k) in rows
    assert (PruningMethod.RESET, NIST_THETA.p, 0.5) in rows


def test_the_wide_grid_is_a_first_stage() -> None:
    points = thetas(Grid.WIDE)
    assert 30 <= len(set(points)) == len(points) <= 40
    assert {(theta.num_pruned_models, theta.num_images) for theta in points} == {(8, 40)}
    assert {theta.pruning_method for theta in points} == set(PruningMethod)
    assert {theta.rule for theta in points} == {SelectionRule.PAPER}


def test_the_seed_is_that_of_random_sampling() -> None:
    assert {theta.seed for theta in thetas(Grid.WIDE, seed=7)} == {7}


@pytest.mark.parametrize("sampling", SamplingMethod)
def test_the_ladder_differs_in_sizes_alone(sampling: SamplingMethod) -> None:
    (theta, *_) = [theta for theta in thetas(Grid.WIDE) if theta.sampling_method is sampling]
    ladder = execution_ladder(theta)
    assert theta in ladder
    costs = [rung.num_pruned_models * rung.num_images for rung in ladder]
    assert costs == sorted(costs, reverse=True)
    assert costs[0] > 300 > costs[-1]
    assert len({_without_sizes(rung) for rung in ladder}) == 1


def _without_sizes(theta: Theta) -> tuple[object, ...]:
    fields = {**vars(theta), "num_pruned_models": 0, "num_images": 0}
    return tuple(fields.values())
