"""Does the unpruned network classify its clean examples as TrojAI guarantees? A test of preprocessing and file.

TrojAI accepts a model only with at least 99 % accuracy on clean test images (round generator, `converged`), so an
accuracy far below says that the images are prepared in another way than in training, or belong to another model.
"""

from __future__ import annotations

import math

from detector.base.findings import Finding, Severity

GUARANTEED_ACCURACY = 0.99
# Of 1000 honest models at most one is called wrong: with 10 images at 3 errors or more, with 100 at 6, with 500 at 14.
SIGNIFICANCE = 1e-3


def clean_accuracy_finding(accuracy: float, num_images: int) -> Finding:
    """ERROR where so many errors are next to impossible for a network that is right with probability 0.99.

    Parameters
    ----------
    accuracy
        Of the unpruned network on the clean examples, in [0, 1].
    num_images
        How many examples; with none the finding is a warning that nothing could be checked.

    Raises
    ------
    ValueError
        If the accuracy is outside of [0, 1] or the number of images negative.
    """
    if num_images < 0 or not 0 <= accuracy <= 1:
        raise ValueError(f"expected an accuracy in [0, 1] of 0 or more images, got {accuracy} of {num_images}")
    if num_images == 0:
        return Finding(Severity.WARNING, "clean_accuracy", "no clean examples: the accuracy could not be checked")
    correct = round(accuracy * num_images)
    chance = probability_of_at_most(correct, num_images)
    evidence = {"accuracy": accuracy, "num_images": num_images, "guaranteed": GUARANTEED_ACCURACY, "chance": chance}
    message = f"{correct} of {num_images} clean examples are classified correctly"
    if chance >= SIGNIFICANCE:
        return Finding(Severity.INFO, "clean_accuracy", message, evidence)
    reason = f"TrojAI guarantees {GUARANTEED_ACCURACY:.0%}: wrong preprocessing, or examples of another model"
    return Finding(Severity.ERROR, "low_clean_accuracy", f"{message}; {reason}", evidence)


def probability_of_at_most(correct: int, num_images: int) -> float:
    """P(X <= correct) for X ~ binomial(num_images, 0.99)."""
    return math.fsum(_binomial(successes, num_images) for successes in range(correct + 1))


def _binomial(successes: int, trials: int) -> float:
    log_ways = math.lgamma(trials + 1) - math.lgamma(successes + 1) - math.lgamma(trials - successes + 1)
    log_right, log_wrong = math.log(GUARANTEED_ACCURACY), math.log1p(-GUARANTEED_ACCURACY)
    return math.exp(log_ways + successes * log_right + (trials - successes) * log_wrong)
