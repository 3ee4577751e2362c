"""Multiply-adds against torchvision's own figures."""

import pytest

from benchmarks.operations import multiply_adds
from detector.architectures import ARCHITECTURES
from detector.graph.reference import reference_graph
from detector.torchvision_ops import torchvision_models

# torchvision states InceptionV3's at 299 x 299, we need it at 224 x 224.
NAMES = [name for name in ARCHITECTURES if name != "inceptionv3"]


@pytest.mark.parametrize("name", NAMES)
def test_counts_are_torchvisions(name: str) -> None:
    weights = torchvision_models().get_model_weights(ARCHITECTURES[name].constructor)
    stated = next(iter(weights)).meta["_ops"]  # in 1e9, three digits after the point
    assert multiply_adds(reference_graph(name), 1000) / 1e9 == pytest.approx(stated, rel=0.01, abs=6e-4)


def test_the_number_of_classes_counts() -> None:
    graph = reference_graph("resnet18")
    assert multiply_adds(graph, 7) - multiply_adds(graph, 5) == 2 * 512
