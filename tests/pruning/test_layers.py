"""Which layers are pruned, against the modules of torchvision's own networks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from detector.architectures import ARCHITECTURES, build
from detector.graph.reference import reference_graph
from detector.pruning.layers import classifier, prunable_layers
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, SelectionRule, Theta


def pruned(name: str, method: PruningMethod, rule: SelectionRule) -> list[str]:
    theta = Theta(method, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, 5, 10, rule=rule)
    return [layer.module for layer in prunable_layers(reference_graph(name), theta)]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_all_convolutions_and_batch_normalisations_in_module_order(name):
    with torch.device("meta"):
        modules = build(ARCHITECTURES[name], 10).named_modules()
    expected = [path for path, module in modules if isinstance(module, nn.Conv2d | nn.BatchNorm2d)]
    assert pruned(name, PruningMethod.RESET, SelectionRule.NIST) == expected
    spared = [path for path in expected if not (name.startswith("squeezenet") and path == "classifier.1")]
    for method in PruningMethod:
        assert pruned(name, method, SelectionRule.PAPER) == spared
    assert pruned(name, PruningMethod.REMOVE, SelectionRule.NIST) == spared


@pytest.mark.parametrize(
    ("name", "module"),
    [("resnet18", "fc"), ("vgg11bn", "classifier.6"), ("squeezenetv1_0", "classifier.1"), ("googlenet", "fc")],
)
def test_classifier(name, module):
    assert classifier(reference_graph(name)).module == module
