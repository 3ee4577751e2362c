"""What is left of the limits of a folder of images while they are read."""

from __future__ import annotations

from detector.base.limits import LIMITS, ImageLimits


class SpentError(Exception):
    """No further image of the folder is read. Never leaves the room."""


class Allowance:
    """What is left of the totals while the images of a folder are read."""

    def __init__(self, limits: ImageLimits = LIMITS.images) -> None:
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
