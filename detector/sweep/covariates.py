"""What is known of a model that no pruning has touched: the control of every result.

If labels can be told from these numbers, the round leaks: clean and poisoned models differ in more than the trojan,
and only what goes beyond these numbers is due to pruning. Reads answers and weights; trusts that both are finite.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.graph.ir import Graph, Node, Op
from detector.pruning.layers import classifier
from detector.signals.reading import unpruned_readings

HISTORY = (
    "final_train_loss",
    "final_train_acc",
    "final_clean_data_test_loss",
    "final_clean_data_test_acc",
    "number_training_tries",
)
"""Of a generated model's `model_stats.json`; not of triggered data, which only poisoned models have."""

_Arrays = Mapping[str, NDArray[Any]]


def untouched_readings(
    graph: Graph, arrays: _Arrays, logits: NDArray[np.float32], labels: NDArray[np.int64], file_bytes: int
) -> dict[str, float]:
    """By name: accuracy, loss (nats) and confidence of the unpruned network, size of its file, norms of its weights.

    `logits` (N, C) are its answers to images of the classes `labels` (N,). L2 norms: of all convolutions, of all
    batch normalisations' scales (0 where there are none), and of the last layer, which does not count as convolution.
    """
    last = classifier(graph)
    layers = [node for node in graph.layers() if node != last]
    accuracy, log_probability = unpruned_readings(logits, labels, ("accuracy", "log_probability"))
    return {
        "accuracy": float(accuracy),
        "loss": -float(log_probability),
        "confidence": _confidence(logits),
        "file_bytes": float(file_bytes),
        "convolution_norm": _norm([node for node in layers if node.op is Op.CONV], arrays),
        "scale_norm": _norm([node for node in layers if node.op is Op.BATCH_NORM], arrays),
        "classifier_norm": _norm([last], arrays),
    }


def _confidence(logits: NDArray[np.float32]) -> float:
    """Mean probability of the predicted class."""
    return float(np.mean(1 / np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64).sum(axis=1)))


def _norm(layers: list[Node], arrays: _Arrays) -> float:
    weights = (arrays[f"{node.module}.weight"].astype(np.float64) for node in layers)
    return float(np.sqrt(sum(np.square(weight).sum() for weight in weights)))
