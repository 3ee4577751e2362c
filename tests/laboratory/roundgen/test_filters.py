"""Filters: deterministic looks, all different, images stay images."""

from itertools import combinations

import pytest
import torch

from laboratory.roundgen.filters import apply_filter
from laboratory.roundgen.recipe import Filter


def images() -> torch.Tensor:
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", list(Filter))
def test_images_stay_in_range_and_change(kind: Filter) -> None:
    filtered = apply_filter(kind, images())
    assert filtered.shape == (2, 3, 32, 32)
    assert 0 <= float(filtered.min()) <= float(filtered.max()) <= 1
    assert float((filtered - images()).abs().mean()) > 0.05


def test_filters_differ_from_one_another() -> None:
    looks = [apply_filter(kind, images()) for kind in Filter]
    assert min(float((one - other).abs().mean()) for one, other in combinations(looks, 2)) > 0.03


def test_gotham_leaves_little_colour() -> None:
    red = torch.tensor([1.0, 0.0, 0.0])[None, :, None, None].expand(1, 3, 8, 8)
    filtered = apply_filter(Filter.GOTHAM, red)
    assert float(filtered.amax(1).max() - filtered.amin(1).min()) < 0.4


@pytest.mark.parametrize(("kind", "darkens"), [(Filter.LOMO, True), (Filter.KELVIN, False)])
def test_only_some_have_a_vignette(kind: Filter, darkens: bool) -> None:
    flat = apply_filter(kind, torch.full((1, 3, 64, 64), 0.5))
    assert (float(flat[0, 0, 0, 0]) < float(flat[0, 0, 32, 32]) - 0.2) is darkens
