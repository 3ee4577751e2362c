"""The signal `log_probability`: the mean log-probability of the true class, in nats, at least -20."""

import numpy as np

from detector.signals.answers import FARTHEST, Answers, Array, mean_over_images
from detector.signals.registry import SIGNALS, VariantSignal


def log_probability(answers: Answers) -> Array:
    """(S,)."""
    true = np.maximum(answers.of_true_class(answers.log_probabilities), -FARTHEST)
    return mean_over_images(np.where(answers.lost, -FARTHEST, true))


LOG_PROBABILITY = VariantSignal(
    "log_probability", 1, log_probability, description="the mean log-probability of the true class"
)
SIGNALS.add(LOG_PROBABILITY)
