"""From pixels on disk to a network's input: one frozen profile for each round.

The networks of a round only work with the scaling and channel order that they were trained with, and published
coefficients only with those that they were fitted with; so a profile is recorded beside every set of learned
parameters. Nothing is ever resized.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

INPUT_SIZE = 224  # pixels, for every architecture, InceptionV3 too
UNCROPPED_SIZE = 256  # pixels on disk from Round 2 on
SMALL_INPUT_SIZE, SMALL_UNCROPPED_SIZE = 48, 54  # of the rounds that a CPU can train


class ChannelOrder(StrEnum):
    """Which colour comes first."""

    RGB = "RGB"
    BGR = "BGR"


class Scaling(StrEnum):
    """How 8-bit values become numbers in [0, 1]."""

    MINMAX = "minmax"  # each image to its own range, over all channels together
    DIV255 = "div255"


@dataclass(frozen=True)
class Preprocessing:
    """A profile: images of `uncropped` pixels a side are cropped to `crop`, images of that size left as they are."""

    name: str = field(compare=False)  # rounds 2 to 4 have names of their own for the same
    crop: int
    channel_order: ChannelOrder
    scaling: Scaling
    uncropped: int = UNCROPPED_SIZE

    def accepts(self, width: int, height: int) -> bool:
        """Whether images of this size, in pixels, belong to this profile."""
        return width == height and width in (self.crop, self.uncropped)

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Turn (H, W, 3) uint8 RGB pixels into a (3, crop, crop) float32 input in [0, 1].

        Min-max is computed as NIST's example code does: 8-bit differences divided as float64, then cast to float32.
        An image of one value has no range and becomes 0.
        """
        image: NDArray[np.float32] = self.scaled(self.cropped(pixels)[None])[0]
        return image

    def scaled(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The same for pixels (N, 3, crop, crop) that are cropped already, RGB: channels ordered, numbers scaled."""
        ordered = pixels[:, ::-1] if self.channel_order is ChannelOrder.BGR else pixels
        if self.scaling is Scaling.MINMAX:
            return np.stack([_minmax(image) for image in ordered]) if len(ordered) else ordered.astype(np.float32)
        return np.ascontiguousarray(ordered.astype(np.float32) / np.float32(255))

    def cropped(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The middle of (H, W, 3) pixels, (3, crop, crop)."""
        height, width = pixels.shape[:2]
        if not self.accepts(width, height):
            raise ValueError(f"expected an image that the profile accepts, got {width} x {height}")
        margin = (width - self.crop) // 2
        middle = pixels[margin : margin + self.crop, margin : margin + self.crop]
        return np.ascontiguousarray(middle.transpose(2, 0, 1))


def _minmax(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    low, high = pixels.min(), pixels.max()
    if low == high:
        return np.zeros(pixels.shape, dtype=np.float32)
    scaled: NDArray[np.float64] = (pixels - low) / np.float64(high - low)
    return scaled.astype(np.float32)


_PROFILES = (
    Preprocessing("round1", INPUT_SIZE, ChannelOrder.BGR, Scaling.MINMAX),
    Preprocessing("round2", INPUT_SIZE, ChannelOrder.RGB, Scaling.DIV255),
    Preprocessing("round3", INPUT_SIZE, ChannelOrder.RGB, Scaling.DIV255),
    Preprocessing("round4", INPUT_SIZE, ChannelOrder.RGB, Scaling.DIV255),
    # What NIST's Round 2-4 coefficients were fitted with, whatever the networks were trained with.
    Preprocessing("rgb_minmax", INPUT_SIZE, ChannelOrder.RGB, Scaling.MINMAX),
    # What `python -m laboratory.roundgen small` trains: Round 2 at about a fifth of the size.
    Preprocessing("small", SMALL_INPUT_SIZE, ChannelOrder.RGB, Scaling.DIV255, SMALL_UNCROPPED_SIZE),
    # The other sizes of `python -m laboratory.roundgen varied`; no two of all these sizes are the same.
    Preprocessing("small56", 56, ChannelOrder.RGB, Scaling.DIV255, 62),
    Preprocessing("small64", 64, ChannelOrder.RGB, Scaling.DIV255, 72),
    Preprocessing("small80", 80, ChannelOrder.RGB, Scaling.DIV255, 90),
)

PROFILES: Mapping[str, Preprocessing] = MappingProxyType({profile.name: profile for profile in _PROFILES})
"""All profiles by name. `round2` is what Round 2's networks were trained with; only its documentation says min-max."""
