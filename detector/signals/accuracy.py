"""The signal `accuracy`: the share of images that are classified correctly, as in the paper; relative to nothing."""

from detector.signals.answers import Answers, Array, mean_over_images
from detector.signals.registry import SIGNALS, VariantSignal


def accuracy(answers: Answers) -> Array:
    """A of the paper's equation (1), (S,)."""
    return mean_over_images(answers.correct)


ACCURACY = VariantSignal(
    "accuracy",
    1,
    accuracy,
    relative=False,
    description="the share of images that it classifies correctly (the paper's vector)",
)
SIGNALS.add(ACCURACY)
