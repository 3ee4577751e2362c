"""What the state dict of an architecture holds: names and shapes of all tensors, derived from its graph."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

from detector.graph.ir import CLASSES, Graph, Node, Op

Shape = tuple[int | str, ...]
_FLOAT_BYTES, _COUNTER_BYTES = 4, 8  # float32; num_batches_tracked is one int64


def tensor_shapes(graph: Graph) -> dict[str, Shape]:
    """State-dict name -> shape, in the order of `state_dict()`; `CLASSES` where a size is the class count."""
    return {f"{node.module}.{name}": shape for node in graph.layers() for name, shape in _layer_tensors(node).items()}


def with_classes(shape: Shape, num_classes: int) -> tuple[int, ...]:
    """The shape for a given class count."""
    return tuple(num_classes if size == CLASSES else int(size) for size in shape)


def state_bytes(graph: Graph, num_classes: int) -> int:
    """Bytes of all parameters and buffers as TrojAI saves them: float32, the batch counters int64."""
    shapes = tensor_shapes(graph).items()
    return sum(
        _COUNTER_BYTES
        if name.endswith("num_batches_tracked")
        else _FLOAT_BYTES * math.prod(with_classes(shape, num_classes))
        for name, shape in shapes
    )


def _layer_tensors(node: Node) -> dict[str, Shape]:
    facts = cast(Mapping[str, int], node.attributes)
    if node.op is Op.BATCH_NORM:
        channels = (facts["num_features"],)
        names = ("weight", "bias", "running_mean", "running_var")
        return {**dict.fromkeys(names, channels), "num_batches_tracked": ()}
    if node.op is Op.LINEAR:
        weight: Shape = (facts["out_features"], facts["in_features"])
    else:
        kernel = cast(tuple[int, int], node.attributes["kernel_size"])
        weight = (facts["out_channels"], facts["in_channels"] // facts["groups"], *kernel)
    return {"weight": weight, "bias": weight[:1]} if facts["bias"] else {"weight": weight}
