"""Measures what the unchanged network answers to probed images, within a budget: the other half of stimulation.

The images are changed as pixels of 8 bits and then take the same preprocessing as the examples, whatever its order of
channels and scaling. Knows no readings; the order of the probes is the order in which time is spent on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.measurement.measure import Images, Logits, Measurer
from detector.probing.probe import Probe
from detector.rounds.preprocessing import Preprocessing

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class ProbeLogits:
    """What was measured: `logits` (K, N, classes) of the first K `probes` of those asked for; K may be 0."""

    probes: tuple[Probe, ...]
    logits: Logits


def probed_images(probe: Probe, pixels: Pixels, preprocessing: Preprocessing) -> Images:
    """A network's inputs (N, 3, S, S) for probed pixels (N, 3, S, S), RGB, cropped."""
    return preprocessing.scaled(probe.on_pixels(pixels))


def measure_probes(
    measurer: Measurer, pixels: Pixels, preprocessing: Preprocessing, probes: Sequence[Probe], num_classes: int
) -> ProbeLogits:
    """Logits for every probe that is expected to end within the measurer's budget, from the first one on.

    Each probe is one forward pass of all images, as a variant is: `measurer.fits(len(probes), len(pixels))` says
    beforehand whether all of them fit, and they are measured after `measurer.unpruned`, which finds the pace.

    Parameters
    ----------
    pixels
        The examples' pixels (N, 3, S, S), RGB; the answers do not depend on how many workers there are.
    num_classes
        For the shape where no probe could be measured.
    """
    logits = measurer.several(probed_images(probe, pixels, preprocessing) for probe in probes)
    shape = (len(logits), len(pixels), num_classes)
    stacked = np.stack(logits) if logits else np.empty(shape, dtype=np.float32)
    return ProbeLogits(tuple(probes[: len(logits)]), stacked)
