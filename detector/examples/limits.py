"""What the images of one folder may ask for, each and all together: work that is not limited is an attack.

Links make many files of one, so a limit for each file alone is none.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bytes, parts (chunks of PNG, segments of JPEG) and pixels; the reason stands beside each."""

    entries: int = 10_000  # Round 1, the largest, has 501
    file_bytes: int = 4 * 2**20  # a 256 x 256 RGB image has 0.2 MB before compression; profiles and XMP 2 MB
    file_parts: int = 4096  # encoders make one of every 8 kB or more
    file_scans: int = 64  # of a progressive JPEG, which has about ten; each costs a pass over the image
    file_work: int = 2**29  # pixels times scans: a progressive photograph of 33 megapixels has about 2**28
    all_bytes: int = 512 * 2**20  # a thousand images of half a megabyte
    all_parts: int = 200_000  # a thousand images of two hundred
    all_pixels: int = 2**27  # 2048 images of 256 x 256; as network input they take 1.6 GB


LIMITS = Limits()

PHOTOGRAPHS = Limits(
    file_bytes=32 * 2**20,  # one of 33 megapixels as a fine JPEG, or a screen as PNG
    all_bytes=2**30,
    all_pixels=2**31,  # 170 photographs of 12 megapixels; only one of them is in memory at a time
)
"""The same for photographs that are resized."""


class SpentError(Exception):
    """No further image of the folder is read. Never leaves the room."""


class Allowance:
    """What is left of the totals while the images of a folder are read."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._bytes = limits.all_bytes
        self._parts = limits.all_parts
        self._pixels = limits.all_pixels

    def take(self, num_bytes: int = 0, parts: int = 0, pixels: int = 0) -> None:
        """Count what an image asks for.

        Raises
        ------
        SpentError
            It is more than is left.
        """
        self._bytes -= num_bytes
        self._parts -= parts
        self._pixels -= pixels
        if min(self._bytes, self._parts, self._pixels) < 0:
            raise SpentError
