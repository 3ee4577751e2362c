"""The signal `entropy`: the mean entropy of the predicted probabilities, in nats."""

import numpy as np

from detector.signals.answers import Answers, Array, mean_over_images
from detector.signals.registry import SIGNALS, VariantSignal


def entropy(answers: Answers) -> Array:
    """(S,)."""
    return mean_over_images(-(np.exp(answers.log_probabilities) * answers.log_probabilities).sum(axis=-1))


ENTROPY = VariantSignal("entropy", 1, entropy, description="the mean entropy of its predictions")
SIGNALS.add(ENTROPY)
