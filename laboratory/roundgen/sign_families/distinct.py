"""Pictures of one model that can be told apart: whoever draws by chance draws again when two look alike."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_CELLS = 16  # pictures are compared at this many cells a side, about what a small network sees of a small sign
_LEAST_DIFFERENCE = 0.05  # of a channel's range, averaged over the cells
_TRIES = 40


def draw_distinct(draw: Callable[[], Image.Image], count: int) -> NDArray[np.uint8]:
    """`count` RGBA pictures (count x S x S x 4) from `draw`, any two of them different enough.

    After 40 tries for a picture the one that differs most from those before is taken.
    """
    pictures: list[Image.Image] = []
    signatures: list[NDArray[np.float64]] = []
    for _ in range(count):
        best, best_signature, best_difference = None, None, -1.0
        for _ in range(_TRIES):
            picture = draw()
            signature = _signature(picture)
            difference = min((float(np.abs(signature - other).mean()) for other in signatures), default=1.0)
            if difference > best_difference:
                best, best_signature, best_difference = picture, signature, difference
            if difference >= _LEAST_DIFFERENCE:
                break
        assert best is not None
        assert best_signature is not None
        pictures.append(best)
        signatures.append(best_signature)
    return np.stack([np.asarray(picture) for picture in pictures])


def _signature(picture: Image.Image) -> NDArray[np.float64]:
    cells = np.asarray(picture.resize((_CELLS, _CELLS), Image.Resampling.BOX), dtype=np.float64) / 255
    return np.concatenate([cells[..., :3] * cells[..., 3:], cells[..., 3:]], -1)
