"""Scores without their last bits, so that ranks, ties and choices are the same on every processor.

The order in which a processor adds up differs between machines, and with it the last bits of a score. Two models with
equal readings then tie on one machine and not on another. Wherever scores are compared, they are rounded first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

SIGNIFICANT_DIGITS = 9
_FINEST = 12  # decimals: what is left of numbers that cancel out is rounding, whatever its digits say


def rounded(scores: ArrayLike, digits: int = SIGNIFICANT_DIGITS) -> NDArray[np.float64]:
    """Scores of any shape to so many significant digits, and to 12 decimals at most; what is not finite stays."""
    values = np.asarray(scores, dtype=np.float64)
    usable = np.isfinite(values) & (values != 0)
    exponents = np.floor(np.log10(np.abs(values), out=np.zeros_like(values), where=usable))
    # Powers of ten are exact up to 22, so large scores are divided where small ones are multiplied.
    decimals = np.minimum(digits - 1 - exponents, _FINEST)
    up, down = 10.0 ** np.maximum(decimals, 0), 10.0 ** np.maximum(-decimals, 0)
    result: NDArray[np.float64] = np.where(
        usable, np.rint(np.where(usable, values, 0.0) / down * up) / up * down, values
    )
    return result
