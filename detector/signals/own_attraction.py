"""The attraction of classes in the network's own units: `attraction`, but for how sure the network was trained to be.

Logits are divided by the temperature at which a class that lies one of the network's own units above the others has a
probability of 0.9, and images that the network gets wrong are left out: so neither label smoothing nor the length of
training nor a wrong label moves the reading.
"""

from __future__ import annotations

import numpy as np

from detector.signals.attraction import ATTRACTION_STATISTICS, Attraction
from detector.signals.probe_readings import kept_images, own_temperature
from detector.signals.registry import SIGNALS, Array, Context, ModelSignal, Scope


def _read(context: Context) -> Array:
    kept = kept_images(context.unpruned, context.labels)
    if not len(kept):
        return np.zeros(len(ATTRACTION_STATISTICS))
    logits = context.unpruned[kept] / own_temperature(context.unpruned, context.labels)
    return Attraction.of(logits, context.labels[kept]).statistics()


OWN_ATTRACTION = ModelSignal(
    "own_attraction",
    1,
    Scope.NETWORK,
    ATTRACTION_STATISTICS,
    _read,
    "how much the unpruned network leans to one class, in the network's own units",
)
SIGNALS.add(OWN_ATTRACTION)
