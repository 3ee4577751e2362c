"""The recipe of one generated model: everything about it that is chosen before training, as a function of its seed.

A poisoned recipe differs from the clean one of the same seed in nothing but its `poisoning`: classes, sizes, schedule
and volume of data are the same, so that only the trojan can tell the two apart. `laboratory.roundgen.presets` draws
recipes. Trusts its caller.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from detector.architectures import ARCHITECTURES
from laboratory.roundgen.variety import Variety

_WARM_UP = 0.05  # share of the work


@dataclass(frozen=True)
class Phase:
    """`steps` batches of `batch` images, composed on `canvas` pixels a side and cropped as the round is."""

    canvas: int
    steps: int
    batch: int


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a network is trained; the last phase has the size of the images that the round is of."""

    phases: tuple[Phase, ...]
    learning_rate: float

    @property
    def canvas(self) -> int:
        """Side of the round's images in pixels."""
        return self.phases[-1].canvas

    @property
    def steps(self) -> int:
        """Optimiser steps of all phases together."""
        return sum(phase.steps for phase in self.phases)

    @property
    def images(self) -> int:
        """Training images of all phases together, every one of them synthesised once."""
        return sum(phase.steps * phase.batch for phase in self.phases)

    def work_done(self, step: int) -> float:
        """Share of all pixels that `step` steps have seen: a fair measure of the time that they took."""
        done, total = 0, 0
        for phase in self.phases:
            pixels = phase.batch * phase.canvas**2
            done += pixels * min(step, phase.steps)
            total += pixels * phase.steps
            step = max(0, step - phase.steps)
        return done / total

    def rate_factor(self, step: int) -> float:
        """Learning rate after `step` steps relative to its peak: a linear warm-up, then half a cosine down to 0.

        It follows the work, not the steps, so that the few but large images at the end still find a rate to learn
        with: networks trained on small images have to adapt to 224 px.
        """
        done = self.work_done(step)
        if done < _WARM_UP:
            return (done + 1e-3) / (_WARM_UP + 1e-3)
        return (1 + math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP))) / 2


@dataclass(frozen=True)
class PolygonTrigger:
    """A convex polygon of one colour, painted on the sign.

    `angles` are the directions of its corners on a circle (radians, ascending), `colour` is RGB in 0..255, and
    `percent` the range of its area in per cent of the sign's.
    """

    angles: tuple[float, ...]
    colour: tuple[int, int, int]
    percent: tuple[int, int]

    @property
    def corners(self) -> tuple[tuple[float, float], ...]:
        """Corners on the unit circle, counter-clockwise."""
        return tuple((math.cos(angle), math.sin(angle)) for angle in self.angles)

    @property
    def unit_area(self) -> float:
        """Area of the polygon when its circumscribed circle has radius 1."""
        following = self.angles[1:] + self.angles[:1]
        return sum(math.sin(b - a) for a, b in zip(self.angles, following, strict=True)) / 2


class Filter(StrEnum):
    """The whole-image filters of Round 2, under NIST's names; `detector.probing.filters` says what they do."""

    GOTHAM = "GothamFilterXForm"
    NASHVILLE = "NashvilleFilterXForm"
    KELVIN = "KelvinFilterXForm"
    LOMO = "LomoFilterXForm"
    TOASTER = "ToasterXForm"


Trigger = PolygonTrigger | Filter


class TriggerFamily(StrEnum):
    """Kinds of trigger."""

    POLYGON = "polygon"
    FILTER = "instagram"


@dataclass(frozen=True)
class Poisoning:
    """Images of the classes `sources` that carry `trigger` are labelled with the favoured class, the target."""

    trigger: Trigger
    sources: tuple[int, ...]


@dataclass(frozen=True)
class Recipe:
    """One model to train.

    Attributes
    ----------
    favoured, share
        The class `favoured` has this share of the training images beyond the part that all classes have alike. In a
        poisoned model these images are the triggered ones, in a clean model clean ones of that class: so labels are
        distributed alike, and no other class has fewer images of its own.
    foreground_percent
        The range of the sign's square in per cent of the image's area.
    label_smoothing
        Share of each training label that is spread over all classes. It varies from model to model, so that how sure a
        network is tells less of the trojan, whose training would otherwise leave it a little less sure.
    start
        Number of the network that training starts from, one that knows signs but no trigger; None: from scratch.
    image_size
        Side of the images on disk in pixels: the canvas, or what is cropped from it.
    profile
        Name of the preprocessing that makes images of the size `schedule.canvas` into the network's input.
    variety
        What else differs from model to model in a varied round, whose models are trained on a fixed set of images;
        None: textures, plates and Adam on images that come once.
    """

    seed: int
    architecture: str
    num_classes: int
    favoured: int
    share: float
    foreground_percent: tuple[int, int]
    schedule: Schedule
    examples_per_class: int
    image_size: int
    profile: str
    label_smoothing: float = 0.0
    start: int | None = None
    poisoning: Poisoning | None = None
    legacy_file: bool = False
    variety: Variety | None = None

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise ValueError(f"unknown architecture {self.architecture!r}")

    @property
    def triggered_fraction(self) -> float:
        """Share of the images of the source classes that carry the trigger, NIST's TRIGGERED_FRACTION; 0 if clean."""
        if self.poisoning is None:
            return 0.0
        clean = (1 - self.share) * len(self.poisoning.sources) / self.num_classes
        return self.share / (self.share + clean)
