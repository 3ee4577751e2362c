"""All preprocessing profiles by name: those of the rounds, and those that belong to none of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from detector.rounds.profile import INPUT_SIZE, UNCROPPED_SIZE, ChannelOrder, Preprocessing, Scaling
from detector.rounds.registry import ROUNDS
from detector.rounds.small import SMALL_INPUT_SIZE, SMALL_UNCROPPED_SIZE

__all__ = [
    "INPUT_SIZE",
    "PROFILES",
    "SMALL_INPUT_SIZE",
    "SMALL_UNCROPPED_SIZE",
    "UNCROPPED_SIZE",
    "ChannelOrder",
    "Preprocessing",
    "Scaling",
]

_OF_NO_ROUND = (
    # What NIST's Round 2-4 coefficients were fitted with, whatever the networks were trained with.
    Preprocessing("rgb_minmax", INPUT_SIZE, ChannelOrder.RGB, Scaling.MINMAX),
    # What torchvision's published weights were trained with, and with them most networks that start from them
    # (torchvision.models, "Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])").
    Preprocessing(
        "imagenet",
        INPUT_SIZE,
        ChannelOrder.RGB,
        Scaling.DIV255,
        mean=(0.485, 0.456, 0.406),
        deviation=(0.229, 0.224, 0.225),
    ),
    # The other sizes of `python -m laboratory.roundgen varied`; no two of all these sizes are the same.
    Preprocessing("small56", 56, ChannelOrder.RGB, Scaling.DIV255, 62),
    Preprocessing("small64", 64, ChannelOrder.RGB, Scaling.DIV255, 72),
    Preprocessing("small80", 80, ChannelOrder.RGB, Scaling.DIV255, 90),
)

PROFILES: Mapping[str, Preprocessing] = MappingProxyType(
    {profile.name: profile for profile in (*(layout.profile for layout in ROUNDS.values()), *_OF_NO_ROUND)}
)
"""All profiles by name. `round2` is what Round 2's networks were trained with; only its documentation says min-max."""
