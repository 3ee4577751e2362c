"""A preprocessing profile: from pixels on disk to a network's input.

The networks of a round only work with the scaling and channel order that they were trained with, and published
coefficients only with those that they were fitted with; so a profile is recorded beside every set of learned
parameters. Nothing is resized unless the caller asks for it. A profile is valid by construction: what it does not know
is an error when it is made, never a default.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, assert_never

from detector.rounds.resizing import can_be_resized, resized

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

INPUT_SIZE = 224  # pixels, for every architecture, InceptionV3 too
UNCROPPED_SIZE = 256  # pixels on disk from Round 2 on

Triple = tuple[float, float, float]


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
    """A profile: images of `uncropped` pixels a side are cropped to `crop`, images of that size left as they are.

    `mean` and `deviation`, one number for each channel in the order in which the network sees them, are taken off and
    divided by after scaling; without them the input stays in [0, 1]. With `resized`, photographs of other sizes are
    made as large as the profile's, see `detector.rounds.resizing`, where it would not take them otherwise.
    """

    name: str = field(compare=False)  # rounds 2 to 4 have names of their own for the same
    crop: int
    channel_order: ChannelOrder
    scaling: Scaling
    uncropped: int = UNCROPPED_SIZE
    mean: Triple | None = None
    deviation: Triple | None = None
    resized: bool = False

    def __post_init__(self) -> None:
        """Refuse what would only show when an image is prepared, or not even then.

        Raises
        ------
        ValueError
            An unknown channel order or scaling, a crop that does not fit, or a mean and deviation that are no numbers
            to take off and divide by.
        """
        ChannelOrder(self.channel_order), Scaling(self.scaling)
        if not 1 <= self.crop <= self.uncropped:
            raise ValueError(f"expected 1 <= crop <= uncropped, got {self.crop} and {self.uncropped} pixels")
        if (self.mean is None) != (self.deviation is None):
            raise ValueError("expected a mean and a deviation for each channel, or neither")
        numbers = (*(self.mean or (0.0,) * 3), *(self.deviation or (1.0,) * 3))
        if len(numbers) != 6 or not all(map(math.isfinite, numbers)) or min(numbers[3:]) <= 0:
            raise ValueError(f"expected three finite means and three positive deviations, got {numbers}")

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Preprocessing:
        """From what a report says of a profile, checked against its schema before.

        Raises
        ------
        ValueError
            It is no profile.
        """
        mean, deviation = (None if document[key] is None else _triple(document[key]) for key in ("mean", "deviation"))
        told = {**document, "mean": mean, "deviation": deviation}
        enums = {"channel_order": ChannelOrder(told["channel_order"]), "scaling": Scaling(told["scaling"])}
        return cls(**{**told, **enums})

    def accepts(self, width: int, height: int) -> bool:
        """Whether images of this size, in pixels, can be used with this profile."""
        return self.takes_unchanged(width, height) or (self.resized and can_be_resized(width, height))

    def takes_unchanged(self, width: int, height: int) -> bool:
        """Whether images of this size, in pixels, belong to this profile, without being resized."""
        return width == height and width in (self.crop, self.uncropped)

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Turn (H, W, 3) uint8 RGB pixels into a (3, crop, crop) float32 input, in [0, 1] before mean and deviation.

        Min-max is computed as NIST's example code does: 8-bit differences divided as float64, then cast to float32.
        An image of one value has no range and becomes 0.
        """
        image: NDArray[np.float32] = self.scaled(self.cropped(pixels)[None])[0]
        return image

    def scaled(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The same for pixels (N, 3, crop, crop) that are cropped already, RGB: channels ordered, numbers scaled."""
        import numpy as np  # here: the command line asks rounds for folder names before anything large is loaded

        images = self._numbers(self._ordered(pixels))
        if self.mean is not None and self.deviation is not None:
            mean, deviation = (np.array(each, np.float32)[:, None, None] for each in (self.mean, self.deviation))
            images = (images - mean) / deviation
        return np.ascontiguousarray(images)

    def cropped(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The middle of (H, W, 3) pixels, (3, crop, crop)."""
        import numpy as np

        height, width = pixels.shape[:2]
        if not self.accepts(width, height):
            raise ValueError(f"expected an image that the profile accepts, got {width} x {height}")
        if not self.takes_unchanged(width, height):
            return np.ascontiguousarray(resized(pixels, self.uncropped, self.crop).transpose(2, 0, 1))
        margin = (width - self.crop) // 2
        middle = pixels[margin : margin + self.crop, margin : margin + self.crop]
        return np.ascontiguousarray(middle.transpose(2, 0, 1))

    def _ordered(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        match self.channel_order:
            case ChannelOrder.RGB:
                return pixels
            case ChannelOrder.BGR:
                return pixels[:, ::-1]
        assert_never(self.channel_order)

    def _numbers(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        import numpy as np

        match self.scaling:
            case Scaling.MINMAX:
                return np.stack([_minmax(image) for image in pixels]) if len(pixels) else pixels.astype(np.float32)
            case Scaling.DIV255:
                return pixels.astype(np.float32) / np.float32(255)
        assert_never(self.scaling)


def _triple(numbers: Sequence[float]) -> Triple:
    first, second, third = map(float, numbers)
    return first, second, third


def _minmax(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    import numpy as np

    low, high = pixels.min(), pixels.max()
    if low == high:
        return np.zeros(pixels.shape, dtype=np.float32)
    scaled: NDArray[np.float64] = (pixels - low) / np.float64(high - low)
    return scaled.astype(np.float32)
