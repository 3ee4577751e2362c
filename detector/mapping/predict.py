"""The mapping as applied: from a signal vector to a probability, and whether the vector is like those of training.

Pure arithmetic on finite numbers. Every feature's contribution is kept, so that an answer can be explained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from detector.base.findings import Finding, Json, Severity
from detector.mapping.configuration import Clip, Configuration
from detector.mapping.weighted_sum import unfit

_MOST_TOLD = 5  # names in a message; the evidence holds them all


@dataclass(frozen=True)
class Prediction:
    """An answer and how it came about.

    Attributes
    ----------
    probability
        Of the model being poisoned, clipped.
    raw
        What the mapping says before link and clip: of a regression the linear predictor.
    contributions
        What it says without any feature, then what each feature of the vector adds; `math.fsum` of them is `raw`. Empty
        where the mapping cannot be taken apart.
    """

    probability: float
    raw: float
    contributions: tuple[float, ...]


def predict(configuration: Configuration, vector: Sequence[float], clip: Clip) -> Prediction:
    """Apply the configuration's mapping to the numbers of its features, in their order, and clip.

    NIST fitted on accuracies rounded to 4 decimals. The vector is not rounded here: with the 10 images of its
    coefficients every accuracy is a multiple of 0.1, which the rounding leaves alone.

    Raises
    ------
    DetectorError
        The vector is not what the mapping was fitted on, or not finite.
    """
    names = configuration.features
    if len(vector) != len(names):
        raise unfit(f"{len(vector)} values", f"{len(names)}, one for each feature")
    applied = configuration.mapping.apply(dict(zip(names, map(float, vector), strict=True)))
    shares = (applied.base, *(applied.contributions.get(name, 0.0) for name in names))
    return Prediction(clip(applied.probability), applied.raw, shares if applied.contributions else ())


def beyond_experience(configuration: Configuration, vector: Sequence[float]) -> tuple[Finding, ...]:
    """The finding that features lie outside what was seen in training, if they do and the configuration knows that."""
    values = dict(zip(configuration.features, vector, strict=True))
    outside: dict[str, Json] = {
        name: {"value": float(values[name]), "low": low, "high": high}
        for name, (low, high) in configuration.experience
        if not low <= values[name] <= high
    }
    if not outside:
        return ()
    told = ", ".join(list(outside)[:_MOST_TOLD]) + (" and others" if len(outside) > _MOST_TOLD else "")
    message = (
        f"undecided: unlike anything that this bundle was learned on. {len(outside)} of "
        f"{len(configuration.experience)} readings lie outside the range that was seen in training ({told}); the "
        "answer is the base rate"
    )
    return (Finding(Severity.WARNING, "beyond_experience", message, {"features": outside}),)
