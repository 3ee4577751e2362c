"""From theta to variants on real architectures: which rows, worked out by hand from the weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from detector.base.errors import ParametersError
from detector.graph.reference import reference_graph
from detector.pruning import (
    LayerRange,
    PruningMethod,
    RankingMethod,
    SamplingMethod,
    SelectionRule,
    Theta,
    Variant,
    make_variants,
)
from detector.pruning.ranking import ranking
from detector.pruning.variants import Rankings

RESET = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, 3, 10)


def rows_of(variant: Variant) -> dict[str, list[int]]:
    return {patch.parameter: patch.rows.tolist() for patch in variant.patches}


@pytest.mark.parametrize("method", [PruningMethod.RESET, PruningMethod.TRIM])
def test_each_layer_is_ranked_on_its_own(
    method: PruningMethod, random_network: Callable[[str], Any], arrays: Callable[[Any], dict[str, np.ndarray]]
) -> None:
    network = random_network("resnet18")
    theta = dataclasses.replace(RESET, pruning_method=method)
    variants = list(make_variants(arrays(network), reference_graph("resnet18"), theta))
    assert [variant.index for variant in variants] == [0, 1, 2]
    lowest, middle, highest = map(rows_of, variants)
    for path, module in network.named_modules():
        if not isinstance(module, nn.Conv2d | nn.BatchNorm2d):
            continue
        sizes = module.weight.detach().double().abs().flatten(1 if module.weight.ndim > 1 else 0)
        order = torch.argsort(sizes.sum(1) if sizes.ndim > 1 else sizes).tolist()
        n = -(-len(order) // 10)
        start = round((len(order) - n) / 2)
        assert lowest[f"{path}.weight"] == sorted(order[:n])
        assert middle[f"{path}.weight"] == sorted(order[start : start + n])
        assert highest[f"{path}.weight"] == sorted(order[-n:])
    assert not any(name.startswith("fc.") for name in lowest)


@pytest.mark.parametrize("method", PruningMethod)
@pytest.mark.parametrize("sampling", SamplingMethod)
def test_patches_are_well_formed_and_the_weights_untouched(
    method: PruningMethod,
    sampling: SamplingMethod,
    random_network: Callable[[str], Any],
    arrays: Callable[[Any], dict[str, np.ndarray]],
) -> None:
    weights = arrays(random_network("shufflenet1_0"))
    before = {name: array.copy() for name, array in weights.items()}
    theta = dataclasses.replace(RESET, pruning_method=method, sampling_method=sampling)
    for variant in make_variants(weights, reference_graph("shufflenet1_0"), theta):
        names = [patch.parameter for patch in variant.patches]
        assert len(set(names)) == len(names) > (50 if method is PruningMethod.STIMULATE else 100)
        for patch in variant.patches:
            assert patch.rows.dtype == np.int64
            assert np.all(np.diff(patch.rows) > 0)
            assert 0 <= patch.rows[0] <= patch.rows[-1] < len(weights[patch.parameter])
            if method not in (PruningMethod.REMOVE, PruningMethod.RESET):
                assert patch.values is not None
                assert patch.values.dtype == np.float32
                assert patch.values.shape == weights[patch.parameter][patch.rows].shape
            else:
                assert patch.values is None
    assert all(np.array_equal(weights[name], array) for name, array in before.items())


@pytest.mark.parametrize("method", PruningMethod)
def test_random_variants_repeat_with_the_seed(
    method: PruningMethod, random_network: Callable[[str], Any], arrays: Callable[[Any], dict[str, np.ndarray]]
) -> None:
    weights, graph = arrays(random_network("squeezenetv1_1")), reference_graph("squeezenetv1_1")

    def drawn(seed: int) -> list[dict[str, list[int]]]:
        theta = dataclasses.replace(RESET, pruning_method=method, sampling_method=SamplingMethod.RANDOM, seed=seed)
        return [rows_of(variant) for variant in make_variants(weights, graph, theta)]

    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)


def test_squeezenets_classifier_is_pruned_by_nist_only(
    random_network: Callable[[str], Any], arrays: Callable[[Any], dict[str, np.ndarray]]
) -> None:
    weights, graph = arrays(random_network("squeezenetv1_0")), reference_graph("squeezenetv1_0")
    theta = dataclasses.replace(RESET, p=0.2)
    for rule, expected in ((SelectionRule.PAPER, False), (SelectionRule.NIST, True)):
        variant = next(make_variants(weights, graph, dataclasses.replace(theta, rule=rule)))
        assert ("classifier.1.weight" in rows_of(variant)) is expected


def test_nist_leaves_layers_untouched_that_the_paper_prunes(
    random_network: Callable[[str], Any], arrays: Callable[[Any], dict[str, np.ndarray]]
) -> None:
    weights, graph = arrays(random_network("shufflenet1_0")), reference_graph("shufflenet1_0")
    theta = dataclasses.replace(RESET, p=0.029, num_pruned_models=35)
    assert "conv1.0.weight" in rows_of(next(make_variants(weights, graph, theta)))  # 24 filters
    nist = dataclasses.replace(theta, rule=SelectionRule.NIST)
    assert "conv1.0.weight" not in rows_of(next(make_variants(weights, graph, nist)))


@pytest.mark.parametrize("method", PruningMethod)
def test_an_impossible_theta_is_refused_before_any_variant(
    method: PruningMethod, random_network: Callable[[str], Any], arrays: Callable[[Any], dict[str, np.ndarray]]
) -> None:
    theta = dataclasses.replace(RESET, pruning_method=method, num_pruned_models=1, rule=SelectionRule.NIST)
    with pytest.raises(ParametersError):
        make_variants(arrays(random_network("resnet18")), reference_graph("resnet18"), theta)


@pytest.mark.parametrize("part", [LayerRange.EARLY, LayerRange.MIDDLE, LayerRange.LATE])
def test_remove_takes_all_layers_only(part: LayerRange) -> None:
    with pytest.raises(ValueError, match="all layers"):
        dataclasses.replace(RESET, pruning_method=PruningMethod.REMOVE, layers=part)


@pytest.mark.parametrize("method", [method for method in PruningMethod if method is not PruningMethod.REMOVE])
def test_three_parts_of_the_layers_are_all_of_them(
    method: PruningMethod, random_network: Callable[[str], Any], arrays: Callable[[Any], dict[str, np.ndarray]]
) -> None:
    weights, graph = arrays(random_network("shufflenet1_0")), reference_graph("shufflenet1_0")
    theta = dataclasses.replace(RESET, pruning_method=method, sampling_method=SamplingMethod.RANDOM)
    parts = [list(make_variants(weights, graph, dataclasses.replace(theta, layers=part))) for part in LayerRange]
    for every, *thirds in zip(*parts, strict=True):
        together: dict[str, list[int]] = {}
        for third in thirds:
            assert not together.keys() & rows_of(third).keys()
            together |= rows_of(third)
        assert together == rows_of(every)


@pytest.mark.parametrize("method", [PruningMethod.RESET, PruningMethod.AMPLIFY, PruningMethod.STIMULATE])
def test_the_smallest_share_is_one_filter_a_layer(
    method: PruningMethod, random_network: Callable[[str], Any], arrays: Callable[[Any], dict[str, np.ndarray]]
) -> None:
    weights, graph = arrays(random_network("resnet18")), reference_graph("resnet18")
    theta = dataclasses.replace(RESET, pruning_method=method, p=1e-6)
    for variant in make_variants(weights, graph, theta):
        assert {len(rows) for rows in rows_of(variant).values()} == {1}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("p", 0),
        ("p", 1),
        ("num_pruned_models", 0),
        ("num_images", 0),
        ("trim_k", 0),
        ("seed", -1),
        ("gain", 0),
        ("gain", float("inf")),
        ("gain", float("nan")),
    ],
)
def test_theta_is_valid_by_construction(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        dataclasses.replace(RESET, **{field: value})


def test_filters_are_ranked_once_for_all_thetas(
    random_network: Callable[[str], Any],
    arrays: Callable[[Any], dict[str, np.ndarray]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only where ranking method or rule differ they are ranked again; what is shared changes no variant."""
    ranked: list[int] = []

    def counted(*given: Any) -> Any:
        ranked.append(1)
        return ranking(*given)

    monkeypatch.setattr("detector.pruning.variants.ranking", counted)
    weights, graph = arrays(random_network("resnet18")), reference_graph("resnet18")
    layers = sum(name.endswith("weight") for name in weights) - 1  # all but the classifier
    thetas = [
        RESET,
        dataclasses.replace(RESET, pruning_method=PruningMethod.TRIM, p=0.3),
        dataclasses.replace(RESET, ranking_method=RankingMethod.LINF),
        dataclasses.replace(RESET, rule=SelectionRule.NIST),
        dataclasses.replace(RESET, layers=LayerRange.EARLY),
    ]
    shared: Rankings = {}
    for theta, new in zip(thetas, (layers, 0, layers, layers, 0), strict=True):
        ranked.clear()
        together = list(make_variants(weights, graph, theta, shared))
        assert len(ranked) == new
        alone = list(make_variants(weights, graph, theta))
        assert list(map(rows_of, together)) == list(map(rows_of, alone))
