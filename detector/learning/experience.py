"""Experience: the range of each reading that was seen in learning, and what lies outside it.

Beyond it a detection answers with the base rate (`detector.mapping.predict`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Bounds = tuple[float, float]
Experience = tuple[tuple[str, Bounds], ...]
"""As configurations keep it: pairs of a feature's name and its lowest and highest value."""

MARGIN = 0.25  # of the range that was seen: so far beyond it a reading may lie and still be no stranger
_DIGITS = 6


def seen(values: Array) -> Bounds:
    """The range of values (M,), widened by the margin at both ends."""
    low, high = float(values.min()), float(values.max())
    margin = MARGIN * (high - low)
    return float(f"{low - margin:.{_DIGITS}g}"), float(f"{high + margin:.{_DIGITS}g}")


def widened(experience: Experience, names: Sequence[str], features: Array) -> Experience:
    """The union with what is seen of more models, features (M, F) of these names; of the same features, no others."""
    found = []
    for name, (low, high) in experience:
        lowest, highest = seen(features[:, names.index(name)])
        found.append((name, (min(low, lowest), max(high, highest))))
    return tuple(found)


def outside(experience: Experience, names: Sequence[str], features: Array) -> NDArray[np.bool_]:
    """Which of the models with features (M, F) of these names lie outside in any of them, (M,)."""
    strange = np.zeros(len(features), dtype=bool)
    for name, (low, high) in experience:
        values = features[:, names.index(name)]
        strange |= ~((low <= values) & (values <= high))
    return strange
