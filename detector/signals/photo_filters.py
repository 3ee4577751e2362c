"""The signal `photo_filters`: filter by filter the largest share of one class over all others, at the network's own
temperature, averaged over the strengths that were probed.

Each filter has a number of its own because clean networks fall for them unevenly: what is usual under one of them is
much under another, and only numbers that are kept apart can each be told in units of their own spread.
"""

from __future__ import annotations

from itertools import compress

import numpy as np

from detector.probing.filters import PhotoFilter
from detector.probing.probe import Probe
from detector.signals.probe_readings import Answer, Pull
from detector.signals.registry import SIGNALS, Array, Context, ModelSignal, Scope

NUMBERS = tuple(str(name) for name in PhotoFilter)
"""One for each filter; 0 for one that was not probed."""

_KIND = "photo_filter"


def _read(context: Context) -> Array:
    rows = [probe.kind == _KIND for probe in context.probes]
    if not any(rows) or context.probed is None:
        return np.zeros(len(NUMBERS))
    probes = tuple(compress(context.probes, rows))
    pull = Pull.of(context.unpruned, context.probed[np.array(rows)], context.labels, probes, Answer.SOFT)
    largest = {name: float(one.shares.max(axis=1, initial=0.0).mean()) for name, one in pull.by(_name).items()}
    return np.array([largest.get(name, 0.0) for name in NUMBERS])


def _name(probe: Probe) -> str:
    return str(dict(probe.parameters)["filter"])


SIGNALS.add(ModelSignal("photo_filters", 1, Scope.PROBE, NUMBERS, _read))
