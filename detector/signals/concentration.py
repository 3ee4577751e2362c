"""The signal `concentration`: the share of the class that gets most of the predicted probability of all images."""

import numpy as np

from detector.signals.answers import Answers, Array
from detector.signals.registry import SIGNALS, VariantSignal


def concentration(answers: Answers) -> Array:
    """(S,)."""
    shares: Array = np.exp(answers.log_probabilities).mean(axis=1).max(axis=-1)
    return shares


CONCENTRATION = VariantSignal(
    "concentration", 1, concentration, description="the share of the class that it favours most"
)
SIGNALS.add(CONCENTRATION)
