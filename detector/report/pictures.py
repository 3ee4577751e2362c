"""The examples as small pictures for a page: as they are, and under the strongest probe.

Images are decoded by the one reader of examples, with all its limits, and encoded anew: not a byte of a file from
outside gets into the page. Where one cannot be decoded any more there is no picture.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from detector.base.errors import DetectorError
from detector.examples.images import Examples, decode, list_examples
from detector.probing.probe import Probe
from detector.rounds.preprocessing import Preprocessing

MOST_PICTURES = 40
_SIDE = 72  # pixels


@dataclass(frozen=True)
class Picture:
    """Data URIs of PNG images; `probed` is None where nothing was probed."""

    plain: str
    probed: str | None


def pictures(document: Mapping[str, Any], directory: Path) -> dict[str, Picture]:
    """By file name, of the first images that a report as JSON names; none where they cannot be read any more."""
    told = document["preprocessing"]
    names = {answer["file"] for answer in (document["answers"] or [])[:MOST_PICTURES]}
    if told is None or not names:
        return {}
    try:
        profile = Preprocessing.from_document(told)
        listing = list_examples(directory, photographs=True)
        wanted = [number for number, path in enumerate(listing.paths) if path.name in names]
        examples = decode(listing, wanted, profile)
        probed = _probed(examples, document["strongest_probe"])
    except (DetectorError, ValueError):
        return {}
    return {name: _picture(examples, probed, row) for row, name in enumerate(examples.names) if name in names}


def _probed(examples: Examples, probe: Mapping[str, Any] | None) -> NDArray[np.uint8] | None:
    """(N, 3, S, S)."""
    if probe is None:
        return None
    images = examples.pixels.astype(np.float32) / np.float32(255)
    changed = Probe.from_document(probe)(images)
    return np.rint(changed * 255).astype(np.uint8)


def _picture(examples: Examples, probed: NDArray[np.uint8] | None, row: int) -> Picture:
    return Picture(_uri(examples.pixels[row]), None if probed is None else _uri(probed[row]))


def _uri(pixels: NDArray[np.uint8]) -> str:
    """Of pixels (3, S, S), made smaller if need be."""
    image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    image.thumbnail((_SIDE, _SIDE))
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
