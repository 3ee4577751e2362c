"""The mapping as applied: a signal vector and fitted coefficients to a probability of being poisoned.

Pure arithmetic on finite numbers. Every coefficient's contribution is kept, so that an answer can be explained.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from detector.base.errors import DetectorError
from detector.mapping.parameters import Clip, Configuration, MappingKind


@dataclass(frozen=True)
class Prediction:
    """An answer and how it came about.

    Attributes
    ----------
    probability
        Of the model being poisoned, clipped.
    raw
        What the regression says before link and clip: the linear predictor.
    contributions
        The intercept, then coefficient times signal for each number of the vector; `math.fsum` of them is `raw`.
    """

    probability: float
    raw: float
    contributions: tuple[float, ...]


def predict(configuration: Configuration, vector: Sequence[float], clip: Clip) -> Prediction:
    """Apply the paper's equation (2), b0 + sum of b_k A_k, or its logistic counterpart, and clip.

    NIST fitted on accuracies rounded to 4 decimals. The vector is not rounded here: with the 10 images of its
    coefficients every accuracy is a multiple of 0.1, which the rounding leaves alone.

    Raises
    ------
    DetectorError
        The vector is not what the coefficients were fitted on, or not finite.
    """
    values = [float(value) for value in vector]
    if len(values) != len(configuration.coefficients):
        raise _unfit(f"{len(values)} values", f"{len(configuration.coefficients)}, one for each coefficient")
    products = [b * a for b, a in zip(configuration.coefficients, values, strict=True)]
    if not all(map(math.isfinite, products)):
        raise _unfit("values that are not finite, or far too large", "finite numbers")
    contributions = (configuration.intercept, *products)
    raw = math.fsum(contributions)
    linked = raw if configuration.kind is MappingKind.LINEAR else _logistic(raw)
    return Prediction(min(max(linked, clip.low), clip.high), raw, contributions)


def _logistic(x: float) -> float:
    """1 / (1 + e^-x), without overflow for large negative x."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _unfit(what: str, expected: str) -> DetectorError:
    return DetectorError(
        what,
        where="signal vector",
        expected=expected,
        next_step="measure with the theta and signal that the coefficients were fitted with",
    )
