"""Standardisation within each architecture, which is what lets the models of several be fitted together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

# Of features in their natural units (shares, nats): what varies less is not blown up, for its outliers would be, too.
_LEAST_DEVIATION = 0.02
_CONSTANT = 1e-9  # a standard deviation below this is none


@dataclass(frozen=True)
class Scale:
    """Means and standard deviations of the features per architecture, each (architectures, ..., features)."""

    means: Array
    deviations: Array

    @classmethod
    def of(cls, features: Array, architecture: Indices, count: int) -> Scale:
        """Of features (..., models, d); at least a fiftieth of the unit; constant ones get the deviation 1.

        An architecture (of `count`) without a model gets the scale of all models: it may be left out of a fit.
        """
        own = [architecture == number for number in range(count)]
        groups = [features[..., rows, :] if rows.any() else features for rows in own]
        deviations = np.array([group.std(axis=-2) for group in groups])
        means = np.array([group.mean(axis=-2) for group in groups])
        return cls(means, np.where(deviations > _CONSTANT, np.maximum(deviations, _LEAST_DEVIATION), 1.0))

    def __call__(self, features: Array, architecture: Indices) -> Array:
        """Standardise features (..., models, d)."""
        means, deviations = (np.moveaxis(each[architecture], 0, -2) for each in (self.means, self.deviations))
        scaled: Array = (features - means) / deviations
        return scaled
