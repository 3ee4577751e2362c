"""The signal `margin`: the mean distance of the true class's logit to the best other one, within -20 and 20."""

import numpy as np

from detector.signals.answers import FARTHEST, Answers, Array, mean_over_images
from detector.signals.registry import SIGNALS, VariantSignal


def margin(answers: Answers) -> Array:
    """(S,)."""
    others = answers.logits.copy()
    others[:, np.arange(len(answers.labels)), answers.labels] = -np.inf
    distances = np.clip(answers.of_true_class(answers.logits) - others.max(axis=-1), -FARTHEST, FARTHEST)
    return mean_over_images(np.where(answers.lost, -FARTHEST, distances))


MARGIN = VariantSignal(
    "margin", 1, margin, description="the mean distance of the true class's logit to the best other one"
)
SIGNALS.add(MARGIN)
