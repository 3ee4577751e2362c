"""The whole-image filters that Rounds 2 to 4 use as triggers, exactly as TrojAI's library has them.

What they do to an image is known to `detector.probing.filters`; here they have NIST's names and take tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from detector.probing import filters
from detector.probing.filters import PhotoFilter
from laboratory.roundgen.recipe import Filter

_FILTERS: Mapping[Filter, PhotoFilter] = MappingProxyType(
    {
        Filter.GOTHAM: PhotoFilter.GOTHAM,
        Filter.NASHVILLE: PhotoFilter.NASHVILLE,
        Filter.KELVIN: PhotoFilter.KELVIN,
        Filter.LOMO: PhotoFilter.LOMO,
        Filter.TOASTER: PhotoFilter.TOASTER,
    }
)


def apply_filter(kind: Filter, images: Tensor) -> Tensor:
    """Images (N x 3 x S x S in [0, 1], on any device) as the filter shows them, in steps of 1/255."""
    filtered = filters.apply_filter(_FILTERS[kind], images.cpu().numpy())
    return torch.from_numpy(filtered).to(images.device)
