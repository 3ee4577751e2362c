"""What differs from one model of a varied round to the next, beside its trojan: material, training and examples.

Everything here is drawn for clean and poisoned models alike (`laboratory.roundgen.varied`). Trusts its caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class SignFamily(StrEnum):
    """Kinds of signs, each drawn by code of its own (`laboratory.roundgen.sign_families`)."""

    PLATES = "plates"
    GLYPHS = "glyphs"
    LETTERS = "letters"
    OBJECTS = "objects"
    STREET = "street"
    MIXED = "mixed"  # some of each that needs no pictures: for networks to start from


class BackgroundFamily(StrEnum):
    """Kinds of backgrounds, each made by code of its own (`laboratory.roundgen.background_families`)."""

    TEXTURES = "textures"
    CLUTTER = "clutter"
    PATTERNS = "patterns"
    NOISE = "noise"
    SCENES = "scenes"
    MIXED = "mixed"


class Optimiser(StrEnum):
    """How weights follow the gradient."""

    ADAM = "Adam"
    ADAMW = "AdamW"
    SGD = "SGD"  # Nesterov momentum 0.9


class RateSchedule(StrEnum):
    """How the learning rate goes with time."""

    ONE_CYCLE = "one-cycle"
    COSINE = "cosine"
    STEP = "step"
    CONSTANT = "constant"  # with a short decay at the end


class Augmentation(StrEnum):
    """What is done to a training image each time that it is shown."""

    NONE = "none"
    SHIFTS = "shifts"
    JITTER = "jitter"
    NOISE = "noise"
    NIST = "nist"


@dataclass(frozen=True)
class Material:
    """Folders with pictures of the user's own: RGBA signs, and scenes to put them on; None where there are none."""

    foregrounds: Path | None = None
    backgrounds: Path | None = None


@dataclass(frozen=True)
class Variety:
    """The varied part of a recipe.

    Attributes
    ----------
    training_images, epochs
        Size of the fixed training set, and how often each of its images is shown.
    weight_decay
        L2 penalty of Adam and SGD, decoupled decay of AdamW.
    turn_degrees, perspective
        Largest rotation and tilt of a sign.
    rain_probability, fog_probability
        Share of images with either.
    wrong_training_labels
        Share of training labels that were replaced by a wrong one.
    wrong_example_labels
        Number of examples whose file name states a class that they don't show.
    adversarial_eps
        Largest change of a pixel by adversarial training (fast FGSM with random start) in 1/255; 0: none.
    favouring
        Whether a clean model gets the share of additional images of the favoured class (a poisoned one has them with
        triggers in any case).
    """

    material: Material
    sign_family: SignFamily
    background_family: BackgroundFamily
    turn_degrees: float
    perspective: float
    rain_probability: float
    fog_probability: float
    training_images: int
    epochs: int
    optimiser: Optimiser
    rate_schedule: RateSchedule
    weight_decay: float
    augmentation: Augmentation
    wrong_training_labels: float
    wrong_example_labels: int
    adversarial_eps: int
    favouring: bool
