"""How far a network is from a reference: the share of its layers that differ.

A layer is the tensors under one path of a state dict; it is the same where the path, the names and the shapes of all
its tensors are. The distance is 1 - (same layers) / (layers of the larger network): 0 for the same layers (strides and
activations may still differ), 1 if not one is the same. Names and shapes come from the file and are only compared.

Measured for 10 classes: the nearest references are 0.33 apart (ResNet-101 and -152, DenseNet-169 and -201), but for
Wide ResNet-50 and ResNeXt-50 with 0.15, which have the same channels, grouped or not. Of torchvision's classifiers that
are no reference none is nearer than 0.68 (VGG-13 without batch normalisation, to VGG-11 with it), apart from GoogLeNet
and InceptionV3 with their auxiliary heads (0.07 and 0.03). Small changes (a layer more, a layer of another width, a
block that is replaced by another) stay at or below `NEAR`. tests/quality/test_distance.py measures both sides again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from detector.graph.ir import Graph
from detector.graph.tensors import Shape, tensor_shapes, with_classes

NEAR = 0.2  # at most: the network is this architecture, changed; beyond, it is another one
_COUNTER = "num_batches_tracked"  # absent in old files

_Layers = Mapping[str, Mapping[str, Shape]]


def layer_distance(shapes: Mapping[str, tuple[int, ...]], graph: Graph, num_classes: int | None) -> float:
    """The share of layers that differ, in [0, 1].

    Parameters
    ----------
    shapes
        State-dict name -> shape, of the file.
    graph
        The reference.
    num_classes
        The classes that the reference is taken to have; None: of a number that no file has.
    """
    wanted = tensor_shapes(graph).items()
    expected = {name: shape if num_classes is None else with_classes(shape, num_classes) for name, shape in wanted}
    found, known = _layers(shapes.items()), _layers(expected.items())
    same = sum(found.get(path) == tensors for path, tensors in known.items())
    return 1 - same / max(len(found), len(known))


def _layers(shapes: Iterable[tuple[str, Shape]]) -> _Layers:
    layers: dict[str, dict[str, Shape]] = {}
    for name, shape in shapes:
        path, _, tensor = name.rpartition(".")
        if tensor != _COUNTER:
            layers.setdefault(path, {})[tensor] = shape
    return layers
