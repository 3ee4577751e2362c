"""Random numbers that stay the same: from the raw bits of PCG64, which numpy promises never to change.

numpy's distributions may change with its version; stored probes must not. Sums and products of what is drawn here are
the same to the bit on every processor.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def uniform(seed: int | tuple[int, ...], shape: tuple[int, ...]) -> Array:
    """Numbers in [0, 1), of 53 bits."""
    raw = np.random.PCG64(seed).random_raw(int(np.prod(shape)))
    drawn: Array = (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return drawn.reshape(shape)


def bell(seed: int | tuple[int, ...], shape: tuple[int, ...]) -> Array:
    """Nearly normal numbers of mean 0 and deviation 1: sums of four uniform ones of 16 bits each."""
    raw = np.random.PCG64(seed).random_raw(int(np.prod(shape))).astype("<u8")
    quarters = raw.view("<u2").reshape(-1, 4)
    sums: Array = (quarters.sum(axis=1, dtype=np.int64) - 2 * 65535) / (65536 / 3**0.5)
    return sums.reshape(shape)


def image_keys(images: NDArray[np.float32]) -> list[int]:
    """A number for each of the images (N, 3, S, S) in [0, 1], told by its 8-bit pixels: what one of them draws does not
    depend on those beside it."""
    return [zlib.crc32(image.tobytes()) for image in np.rint(255 * images).astype(np.uint8)]
