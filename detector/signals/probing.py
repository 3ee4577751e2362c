"""The signals of probes: whether photo filters, colour changes or polygons drive all images into one class.

One signal for each family of probes; `detector.signals.probe_readings` says what is read. All numbers are shares, from
0 to 1; those of a family that was not probed are 0, as where nothing was found.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from detector.probing.kind import Family
from detector.signals.probe_readings import READINGS, Answer, family_readings
from detector.signals.registry import SIGNALS, Array, Context, ModelSignal, Scope

NUMBERS = tuple(f"{answer}_{name}" for answer in Answer for name in READINGS)
"""Names of the numbers of each of these signals."""


def signal_name(family: Family) -> str:
    """Of the signal of a family."""
    return f"{family}_probes"


def _read(context: Context, family: Family) -> Array:
    rows = [row for row, probe in enumerate(context.probes) if probe.family is family]
    if not rows or context.probed is None:
        return np.zeros(len(NUMBERS))
    probes = tuple(context.probes[row] for row in rows)
    return family_readings(context.unpruned, context.probed[rows], context.labels, probes)


for _family in Family:
    SIGNALS.add(ModelSignal(signal_name(_family), 3, Scope.PROBE, NUMBERS, partial(_read, family=_family)))
