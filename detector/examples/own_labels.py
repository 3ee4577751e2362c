"""What stands for the classes of images that nobody has labelled: the network's own answers to them.

They tell how the network's answers change under pruning and probes, which is what is measured. They cannot tell whether
it is right: nothing that needs true classes may be said with them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.base.findings import Finding, Json, Severity
from detector.examples.troubles import MOST_NAMES


def own_labels(unpruned: NDArray[np.float32]) -> NDArray[np.int64]:
    """The classes (N,) that the network answers, by its logits (N, C) as it is; the first of equal ones."""
    labels: NDArray[np.int64] = unpruned.argmax(axis=1).astype(np.int64)
    return labels


def own_labels_finding(labels: NDArray[np.int64], num_classes: int) -> Finding:
    """That these classes (N,) are the network's own answers, and what cannot be said for it."""
    classes = sorted(set(labels.tolist()))
    message = (
        f"nobody has labelled the images: the network's own answers, {len(classes)} of its {num_classes} classes, "
        "stand for their labels. Whether it is right, and whether the preprocessing is, was not checked"
    )
    evidence: dict[str, Json] = {"classes": list(classes[:MOST_NAMES]), "num_classes": num_classes}
    return Finding(Severity.WARNING, "labels_are_answers", message, evidence)
