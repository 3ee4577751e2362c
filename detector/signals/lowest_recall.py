"""The signal `lowest_recall`: the accuracy on the class that fares worst, of those that have images."""

import numpy as np

from detector.signals.answers import Answers, Array, mean_over_images
from detector.signals.registry import SIGNALS, VariantSignal


def lowest_recall(answers: Answers) -> Array:
    """(S,)."""
    recalls = [mean_over_images(answers.correct[:, answers.labels == label]) for label in np.unique(answers.labels)]
    lowest: Array = np.min(recalls, axis=0)
    return lowest


LOWEST_RECALL = VariantSignal(
    "lowest_recall", 1, lowest_recall, description="its accuracy on the class that fares worst"
)
SIGNALS.add(LOWEST_RECALL)
