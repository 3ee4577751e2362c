"""Small changes stay near, other architectures are far: what the threshold of `distance.py` rests on, measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations, pairwise
from typing import Any

import pytest

from detector.architectures import ARCHITECTURES
from detector.graph.modules import Reference
from detector.graph.tensors import tensor_shapes, with_classes
from detector.quality.distance import NEAR, layer_distance

Shapes = Mapping[str, tuple[int, ...]]
_BLOCKS = ("BasicBlock", "Bottleneck", "Fire", "InvertedResidual", "_DenseLayer", "_Transition", "Inception")


def _shapes(reference: Reference) -> dict[str, tuple[int, ...]]:
    return {name: with_classes(shape, 10) for name, shape in tensor_shapes(reference.graph).items()}


def _distance(shapes: Shapes, reference: Reference) -> float:
    return layer_distance(shapes, reference.graph, 10)


def test_all_pairs_of_references_but_one_are_far_from_each_other(references: Mapping[str, Reference]) -> None:
    pairs = {
        (one, other): _distance(_shapes(references[one]), references[other])
        for one, other in combinations(references, 2)
    }
    assert len(pairs) == len(ARCHITECTURES) * (len(ARCHITECTURES) - 1) / 2
    near = {pair: distance for pair, distance in pairs.items() if distance <= 0.32}
    assert near.keys() == {("wideresnet50", "resnext50_32x4d")}
    assert next(iter(near.values())) == pytest.approx(16 / 107)  # the grouped convolutions


def test_the_distance_is_symmetric_and_counts_layers(references: Mapping[str, Reference]) -> None:
    for one, other in pairwise(references.values()):
        assert _distance(_shapes(one), other) == pytest.approx(_distance(_shapes(other), one))
    shapes = _shapes(references["vgg11bn"])
    assert _distance(shapes, references["vgg11bn"]) == 0
    del shapes["features.0.bias"]
    assert _distance(shapes, references["vgg11bn"]) == pytest.approx(1 / 19)  # 8 convolutions, 8 norms, 3 linear layers
    assert _distance(shapes | {"more.weight": (1,)}, references["vgg11bn"]) == pytest.approx(2 / 20)
    assert _distance({}, references["vgg11bn"]) == 1


def _resized(shapes: Shapes, prefix: str) -> Shapes:
    """All tensors at or below a path are of another size."""
    return {
        name: tuple(size + 1 for size in shape) if name.startswith(f"{prefix}.") else shape
        for name, shape in shapes.items()
    }


def _without(shapes: Shapes, prefix: str) -> Shapes:
    return {name: shape for name, shape in shapes.items() if not name.startswith(f"{prefix}.")}


def _longer(shapes: Shapes, prefix: str) -> Shapes:
    """Replaced by something of other sizes and two layers more."""
    extra = {f"{prefix}.extra{number}.weight": (8, 8, 1, 1) for number in range(2)}
    return {**_resized(shapes, prefix), **extra}


def _places(reference: Reference) -> Iterator[str]:
    for module in reference.modules:
        if module.path and module.kind.rpartition(".")[2].startswith((*_BLOCKS, "Conv2d", "BatchNorm2d", "Linear")):
            yield module.path


@pytest.mark.parametrize("change", [_resized, _without, _longer])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_layer_or_a_block_that_is_changed_stays_near(
    name: str, change: Callable[[Shapes, str], Shapes], references: Mapping[str, Reference]
) -> None:
    shapes, reference = _shapes(references[name]), references[name]
    distances: dict[str, Any] = {path: _distance(change(shapes, path), reference) for path in _places(reference)}
    assert len(distances) > 10
    assert min(distances.values()) > 0
    assert max(distances.values()) <= NEAR, max(distances, key=distances.__getitem__)
