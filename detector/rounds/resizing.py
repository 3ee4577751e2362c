"""Photographs of any size made as large as a profile wants them, as networks of the world see them in use.

The shorter side is brought to the size, bilinear over the area that a pixel covers, and the middle is cropped:
`Resize` and `CenterCrop` of torchvision.transforms on a Pillow image, number for number. What may be resized is
limited, so that no image asks for more memory than a photograph does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SMALLEST_SIDE = 32  # pixels: of less, nothing can be recognised
MOST_PIXELS = 2**25  # a photograph of 33 megapixels; 0.1 GB decoded
LONGEST_SHAPE = 4  # times as long as wide: resizing makes both sides longer where the shorter one is too short


def can_be_resized(width: int, height: int) -> bool:
    """Whether an image of this size, in pixels, is a photograph that may be resized."""
    short, long = sorted((width, height))
    return short >= SMALLEST_SIDE and long <= LONGEST_SHAPE * short and width * height <= MOST_PIXELS


def resized(pixels: NDArray[np.uint8], side: int, crop: int) -> NDArray[np.uint8]:
    """Of (H, W, 3) RGB pixels the middle (crop, crop, 3), after the shorter side has become `side` >= `crop` pixels."""
    import numpy as np  # here, as Pillow: the command line asks rounds for folder names before anything large is loaded
    from PIL import Image

    image = Image.fromarray(pixels)
    short = min(image.size)
    width, height = (side if length == short else int(side * length / short) for length in image.size)
    left, top = round((width - crop) / 2), round((height - crop) / 2)
    shrunk = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(shrunk.crop((left, top, left + crop, top + crop)))
