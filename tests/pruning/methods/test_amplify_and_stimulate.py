"""Amplify and Stimulate, against torchvision's networks with hooks that change the channels themselves.

Which filters are meant is worked out here from the weights; so is which layer's output is the channel's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from detector.graph.reference import reference_graph
from detector.measurement.engine import PackedEngine
from detector.pruning import LayerRange, PruningMethod, RankingMethod, SamplingMethod, Theta, make_variants
from detector.pruning.variant import RowPatch

AMPLIFY = Theta(PruningMethod.AMPLIFY, SamplingMethod.TARGETED, RankingMethod.L1, 0.05, 3, 10, gain=2.0)
STIMULATE = replace(AMPLIFY, pruning_method=PruningMethod.STIMULATE, gain=1.5)
NETWORKS = ["squeezenetv1_1", "shufflenet1_0", "resnet18"]
IMAGES = np.random.default_rng(3).random((4, 3, 64, 64), dtype=np.float32)


def normalised_by(path: str, paths: set[str]) -> str | None:
    """ResNet's conv1 is followed by its bn1; in a Sequential the next one is, if there is one."""
    named = re.sub(r"conv(\d)$", r"bn\1", path)
    following = re.sub(r"(\d+)$", lambda match: str(int(match[0]) + 1), path)
    return next((name for name in (named, following) if name != path and name in paths), None)


def lowest(weight: torch.Tensor, variant: int) -> torch.Tensor:
    """Targeted, ranked by L1, |S| = 3: the weakest, the middle and the strongest 5 %."""
    filters = len(weight)
    count = -(-filters // 20)
    start = (0, round((filters - count) / 2), filters - count)[variant]
    return torch.argsort(weight.double().abs().sum((1, 2, 3)))[start : start + count]


def provoked(network: nn.Module, theta: Theta, variant: int) -> np.ndarray:
    """Answers of the network while hooks change the outputs of its channels."""
    modules = dict(network.named_modules())
    norms = {path for path, module in modules.items() if isinstance(module, nn.BatchNorm2d)}
    handles = []
    for path, module in modules.items():
        if not isinstance(module, nn.Conv2d) or path == "classifier.1":
            continue
        rows, norm = lowest(module.weight.detach(), variant), normalised_by(path, norms)
        last = modules[norm] if norm else module
        unit = modules[norm].weight.abs() if norm else module.weight.flatten(1).norm(dim=1)
        factors, added = torch.ones(len(unit)), torch.zeros(len(unit))
        if theta.pruning_method is PruningMethod.AMPLIFY:
            factors[rows] = theta.gain
        else:
            added[rows] = theta.gain * unit.detach()[rows]

        def change(
            module: nn.Module,
            inputs: object,
            output: torch.Tensor,
            factors: torch.Tensor = factors,
            added: torch.Tensor = added,
        ) -> torch.Tensor:
            return output * factors[:, None, None] + added[:, None, None]

        handles.append(last.register_forward_hook(change))
    with torch.inference_mode():
        answer: np.ndarray = network(torch.from_numpy(IMAGES)).numpy()
    for handle in handles:
        handle.remove()
    return answer


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("theta", [AMPLIFY, STIMULATE], ids=["amplify", "stimulate"])
def test_logits_are_those_of_the_network_with_changed_channels(
    name: str,
    theta: Theta,
    random_network: Callable[[str], Any],
    arrays: Callable[[Any], dict[str, np.ndarray]],
    patched: Callable[..., Any],
) -> None:
    network = random_network(name)
    weights, graph = arrays(network), reference_graph(name)
    engine = PackedEngine(graph, weights)
    with torch.inference_mode():
        unpruned = network(torch.from_numpy(IMAGES)).numpy()
    for variant in make_variants(weights, graph, theta):
        expected = provoked(network, theta, variant.index)
        scale = np.abs(expected).max()
        assert np.abs(expected - unpruned).max() > 1e-3 * scale
        with torch.inference_mode():
            eager = patched(network, variant.patches)(torch.from_numpy(IMAGES)).numpy()
        np.testing.assert_allclose(eager, expected, rtol=0, atol=1e-5 * scale)
        np.testing.assert_allclose(engine.logits(IMAGES, variant.patches), expected, rtol=0, atol=1e-4 * scale)


@pytest.mark.parametrize("theta", [AMPLIFY, STIMULATE], ids=["amplify", "stimulate"])
def test_the_filters_are_those_that_reset_selects(
    theta: Theta, random_network: Callable[[str], Any], arrays: Callable[[Any], dict[str, np.ndarray]]
) -> None:
    network = random_network("squeezenetv1_1")
    weights, graph = arrays(network), reference_graph("squeezenetv1_1")
    chosen = replace(theta, sampling_method=SamplingMethod.RANDOM, ranking_method=RankingMethod.STDEV, seed=5)
    resets = make_variants(weights, graph, replace(chosen, pruning_method=PruningMethod.RESET))
    for reset, other in zip(resets, make_variants(weights, graph, chosen), strict=True):
        touched = {patch.parameter.rpartition(".")[0]: patch.rows.tolist() for patch in other.patches}
        assert touched == {patch.parameter.rpartition(".")[0]: patch.rows.tolist() for patch in reset.patches}


def test_one_layer_of_each_channel_is_amplified(
    random_network: Callable[[str], Any], arrays: Callable[[Any], dict[str, np.ndarray]]
) -> None:
    """DenseNet: norm1 stands behind no convolution and is left alone; behind conv2 stands no batch normalisation."""
    weights, graph = arrays(random_network("densenet121")), reference_graph("densenet121")
    layer = "features.denseblock1.denselayer2"
    amplified = {patch.parameter for patch in next(make_variants(weights, graph, AMPLIFY)).patches}
    expected = {f"{layer}.norm2.weight", f"{layer}.norm2.bias", f"{layer}.conv2.weight"}
    assert {name for name in amplified if name.startswith(f"{layer}.")} == expected
    stimulated = {patch.parameter for patch in next(make_variants(weights, graph, STIMULATE)).patches}
    assert {name for name in stimulated if name.startswith(f"{layer}.")} == {f"{layer}.norm2.bias"}


def values(patch: RowPatch) -> np.ndarray:
    """That it has some."""
    assert patch.values is not None
    return patch.values


def test_values_by_hand(random_network: Callable[[str], Any], arrays: Callable[[Any], dict[str, np.ndarray]]) -> None:
    """Of a convolution with a bias and no batch normalisation: the weakest of the 64 filters of the first layer."""
    weights, graph = arrays(random_network("squeezenetv1_1")), reference_graph("squeezenetv1_1")
    weight, bias = weights["features.0.weight"], weights["features.0.bias"]
    row = int(np.abs(weight).sum((1, 2, 3)).argmin())
    single = replace(AMPLIFY, p=1e-6, layers=LayerRange.EARLY)
    patches = {patch.parameter: patch for patch in next(make_variants(weights, graph, single)).patches}
    assert patches["features.0.weight"].rows.tolist() == [row]
    assert np.array_equal(values(patches["features.0.weight"]), 2 * weight[[row]])
    assert np.array_equal(values(patches["features.0.bias"]), 2 * bias[[row]])
    stimulated = next(make_variants(weights, graph, replace(STIMULATE, p=1e-6, layers=LayerRange.EARLY)))
    patches = {patch.parameter: patch for patch in stimulated.patches}
    assert "features.0.weight" not in patches
    expected = bias[row] + 1.5 * np.linalg.norm(weight[row])
    np.testing.assert_allclose(values(patches["features.0.bias"]), [expected], rtol=1e-6)
    assert "features.12.expand3x3.bias" not in patches


def test_a_gain_that_overflows_is_infinite_and_silent(
    random_network: Callable[[str], Any], arrays: Callable[[Any], dict[str, np.ndarray]]
) -> None:
    weights, graph = arrays(random_network("resnet18")), reference_graph("resnet18")
    weights = {**weights, "bn1.weight": np.full(64, 3e38, dtype=np.float32)}
    variant = next(make_variants(weights, graph, AMPLIFY))
    (patch,) = [patch for patch in variant.patches if patch.parameter == "bn1.weight"]
    assert np.isinf(values(patch)).all()
