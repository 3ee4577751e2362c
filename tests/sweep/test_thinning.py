"""Subsets of variants: those that `thinned` names are, filter for filter, the variants of the smaller |S|."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from detector.graph.reference import reference_graph
from detector.pruning import PruningMethod, RankingMethod, SamplingMethod, SelectionRule, Theta, Variant, make_variants
from detector.pruning.sampling import positions
from detector.sweep.thinning import doubled, thinned

THETA = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, 15, 10)


def theta(sampling: SamplingMethod, have: int, p: float = 0.1, rule: SelectionRule = SelectionRule.PAPER) -> Theta:
    return replace(THETA, sampling_method=sampling, num_pruned_models=have, p=p, rule=rule)


@pytest.mark.parametrize("rule", SelectionRule)
@pytest.mark.parametrize("sampling", SamplingMethod)
@pytest.mark.parametrize("have", [2, 15, 29, 30])
def test_they_select_the_same_filters(sampling: SamplingMethod, have: int, rule: SelectionRule) -> None:
    """Layers of all sizes that occur, and windows that do and do not fit evenly."""
    for want in range(1, have + 2):
        chosen = thinned(theta(sampling, have, rule=rule), want)
        if chosen is None:
            continue
        assert len(chosen) == want
        for filters in (2, 24, 58):
            for p in (0.001, 0.067):
                many, few = theta(sampling, have, p, rule), theta(sampling, want, p, rule)
                for variant, index in enumerate(chosen):
                    expected = positions(few, filters, variant, layer=3)
                    np.testing.assert_array_equal(positions(many, filters, index, layer=3), expected)


@pytest.mark.parametrize(
    ("sampling", "have", "subsets"),
    [
        (SamplingMethod.TARGETED, 15, {2, 3, 8, 15}),
        (SamplingMethod.TARGETED, 29, {2, 3, 5, 8, 15, 29}),
        (SamplingMethod.UNIFORM, 15, {3, 5, 15}),
        (SamplingMethod.UNIFORM, 30, {2, 3, 5, 6, 10, 15, 30}),
        (SamplingMethod.RANDOM, 15, set(range(1, 16))),
    ],
)
def test_which_sizes_have_a_subset(sampling: SamplingMethod, have: int, subsets: set[int]) -> None:
    assert {want for want in range(1, 40) if thinned(theta(sampling, have), want) is not None} == subsets


@pytest.mark.parametrize("sampling", SamplingMethod)
def test_twice_as_many_variants_hold_the_old_ones(sampling: SamplingMethod) -> None:
    twice = doubled(theta(sampling, 15))
    assert twice.num_pruned_models in (29, 30)
    assert thinned(twice, 15) is not None


@pytest.mark.parametrize("method", [PruningMethod.REMOVE, PruningMethod.TRIM, PruningMethod.STIMULATE])
def test_whole_variants_are_the_same(method: PruningMethod, random_network: Callable[..., torch.nn.Module]) -> None:
    """Remove ranks each layer on what is left, so that its variants depend on each other's numbers if anything does."""
    weights = {name: tensor.numpy() for name, tensor in random_network("squeezenetv1_1").state_dict().items()}
    graph = reference_graph("squeezenetv1_1")

    def variants(theta: Theta) -> list[Variant]:
        return list(make_variants(weights, graph, theta))

    many = replace(THETA, pruning_method=method, num_pruned_models=5)
    chosen = thinned(many, 3)
    assert chosen is not None
    of_many, of_few = variants(many), variants(replace(many, num_pruned_models=3))
    for index, one in zip(chosen, of_few, strict=True):
        for patch, other in zip(of_many[index].patches, one.patches, strict=True):
            assert patch.parameter == other.parameter
            np.testing.assert_array_equal(patch.rows, other.rows)
            np.testing.assert_array_equal(patch.values, other.values)
