"""Which layers are pruned, against the modules of torchvision's own networks."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from detector.architectures import ARCHITECTURES, build
from detector.graph.reference import reference_graph
from detector.pruning.layers import classifier, normalisations, prunable_layers
from detector.pruning.theta import LayerRange, PruningMethod, RankingMethod, SamplingMethod, SelectionRule, Theta


def pruned(name: str, method: PruningMethod, rule: SelectionRule) -> list[str]:
    theta = Theta(method, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, 5, 10, rule=rule)
    return [layer.module for layer in prunable_layers(reference_graph(name), theta)]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_all_convolutions_and_batch_normalisations_in_module_order(name: str) -> None:
    with torch.device("meta"):
        modules = build(ARCHITECTURES[name], 10).named_modules()
    expected = [path for path, module in modules if isinstance(module, nn.Conv2d | nn.BatchNorm2d)]
    assert pruned(name, PruningMethod.RESET, SelectionRule.NIST) == expected
    spared = [path for path in expected if not (name.startswith("squeezenet") and path == "classifier.1")]
    for method in (PruningMethod.REMOVE, PruningMethod.RESET, PruningMethod.TRIM):
        assert pruned(name, method, SelectionRule.PAPER) == spared
    assert pruned(name, PruningMethod.REMOVE, SelectionRule.NIST) == spared


def executed(name: str) -> tuple[list[tuple[str, nn.Module]], dict[str, str]]:
    """Convolutions and batch normalisations in the order in which torchvision calls them, and which follows which."""
    with torch.device("meta"):
        network = build(ARCHITECTURES[name], 10).eval()
    order: list[tuple[str, nn.Module]] = []
    writers: dict[int, str] = {}
    kept, behind = [], {}
    for path, module in network.named_modules():
        if not isinstance(module, nn.Conv2d | nn.BatchNorm2d):
            continue

        def note(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor, path: str = path) -> None:
            order.append((path, module))
            kept.append((inputs[0], output))  # so that no other tensor gets their identity
            if isinstance(module, nn.Conv2d):
                writers[id(output)] = path
            elif id(inputs[0]) in writers:
                behind[writers[id(inputs[0])]] = path

        module.register_forward_hook(note)
    network(torch.empty(1, 3, 224, 224, device="meta"))
    return order, behind


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_amplify_and_stimulate_go_by_convolutions_and_what_normalises_them(name: str) -> None:
    order, behind = executed(name)
    convolutions = {path for path, module in order if isinstance(module, nn.Conv2d)}
    spared = convolutions - ({"classifier.1"} if name.startswith("squeezenet") else set())
    for method in (PruningMethod.AMPLIFY, PruningMethod.STIMULATE):
        assert set(pruned(name, method, SelectionRule.NIST)) == convolutions
        assert set(pruned(name, method, SelectionRule.PAPER)) == spared
    graph = reference_graph(name)
    modules = {node.name: node.module for node in graph.nodes}
    assert {modules[key]: norm.module for key, norm in normalisations(graph).items()} == behind


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("method", [PruningMethod.RESET, PruningMethod.STIMULATE])
def test_thirds_are_those_of_the_order_of_execution(name: str, method: PruningMethod) -> None:
    theta = Theta(method, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, 5, 10)
    graph = reference_graph(name)
    every, early, middle, late = (
        [layer.module for layer in prunable_layers(graph, replace(theta, layers=part))] for part in LayerRange
    )
    ranks = {path: rank for rank, (path, _) in enumerate(executed(name)[0])}
    assert sorted(early + middle + late) == sorted(every)
    assert max(map(ranks.__getitem__, early)) < min(map(ranks.__getitem__, middle))
    assert max(map(ranks.__getitem__, middle)) < min(map(ranks.__getitem__, late))
    sizes = sorted(map(len, (early, middle, late)))
    assert sizes[2] - sizes[0] <= 1
    assert [path for path in every if path in late] == late


@pytest.mark.parametrize(
    ("name", "module"),
    [("resnet18", "fc"), ("vgg11bn", "classifier.6"), ("squeezenetv1_0", "classifier.1"), ("googlenet", "fc")],
)
def test_classifier(name: str, module: str) -> None:
    assert classifier(reference_graph(name)).module == module
