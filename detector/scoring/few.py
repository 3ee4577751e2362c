"""How much a figure can mean: said where a round has too few models for what it is read for.

A bootstrap of few models is too sure of itself, and of models that are all answered rightly it knows no doubt at all.
So what is said rests on Wilson's interval of the accuracy (Wilson 1927), which knows how few they are.
"""

from __future__ import annotations

import math

FEWEST = 20  # clean as well as poisoned models: with 20 of each a ROC-AUC of 0.8 is known to about +- 0.14
_NORMAL = 1.959963984540054  # of a 95 % interval


def few_models(num_poisoned: int, num_clean: int, accuracy: float | None = None) -> str | None:
    """A sentence where there are too few of either class; None where there are enough.

    `accuracy` is the share of all of them that are judged rightly.
    """
    if min(num_poisoned, num_clean) >= FEWEST:
        return None
    told = f"Few models: {num_poisoned} poisoned and {num_clean} clean, and below {FEWEST} of each no figure says much"
    if accuracy is None or num_poisoned + num_clean == 0:
        return f"{told}."
    total = num_poisoned + num_clean
    low, high = wilson_interval(round(accuracy * total), total)
    return f"{told}. An accuracy of {accuracy:.1%} may as well be {low:.0%} or {high:.0%} (95 % interval)."


def wilson_interval(right: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share of which `right` of `total` > 0 were seen."""
    square, share = _NORMAL**2, right / total
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = _NORMAL / (1 + square / total) * math.sqrt(share * (1 - share) / total + square / (4 * total**2))
    return max(0.0, middle - half), min(1.0, middle + half)
