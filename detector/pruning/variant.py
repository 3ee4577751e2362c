"""A pruned variant of a network, described as data: which rows of which parameters change, and to what.

Nothing is copied or executed here. Reset and Remove only ever write zeros, so an engine may apply them as masks over
constant weights; the other methods carry the new rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Weights = NDArray[np.float32]


@dataclass(frozen=True)
class RowPatch:
    """Rows (first axis) of one parameter and what they become.

    `rows` is a sorted int64 array without repeats; `values` float32 of shape (len(rows), ...), or None for zeros.
    """

    parameter: str
    rows: Rows
    values: Weights | None = None


@dataclass(frozen=True)
class Variant:
    """Pruned model number `index` of |S|; parameters that are not named stay as they are."""

    index: int
    patches: tuple[RowPatch, ...]
