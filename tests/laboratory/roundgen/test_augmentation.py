"""Augmentation: what the network sees keeps its size and range, and changes as far as it should."""

import pytest
import torch
from torch import Tensor

from laboratory.roundgen.augmentation import augment
from laboratory.roundgen.scenes import crop
from laboratory.roundgen.variety import Augmentation


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int = 6, size: int = 54) -> Tensor:
    return torch.rand(count, 3, size, size, generator=generator(1))


@pytest.mark.parametrize("augmentation", list(Augmentation))
@pytest.mark.parametrize(("size", "seen"), [(54, 48), (62, 56), (72, 64), (90, 80), (256, 224)])
def test_all_ways_end_at_the_size_that_the_network_sees(augmentation: Augmentation, size: int, seen: int) -> None:
    shown = augment(images(2, size), augmentation, generator())
    assert shown.shape == (2, 3, seen, seen)
    assert float(shown.min()) >= 0
    assert float(shown.max()) <= 1


def test_none_is_the_central_crop() -> None:
    assert torch.equal(augment(images(), Augmentation.NONE, generator()), crop(images()))


def test_shifts_show_a_part_of_the_image_as_it_is_and_reach_every_place() -> None:
    places = set()
    for seed in range(300):
        shown = augment(images(2, 32), Augmentation.SHIFTS, generator(seed))
        found = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if torch.equal(shown, images(2, 32)[..., top : top + 28, left : left + 28])
        ]
        assert len(found) == 1
        places.add(found[0])
    assert len(places) == 25


def test_jitter_changes_colours_by_a_tenth_or_so() -> None:
    grey = torch.full((200, 3, 16, 16), 0.5)
    shown = augment(grey, Augmentation.JITTER, generator()) / 0.5
    assert 0.8 < float(shown.min()) < 0.88
    assert 1.12 < float(shown.max()) < 1.22


def test_noise_has_mean_zero_and_at_most_its_deviation() -> None:
    change = augment(torch.full((50, 3, 32, 32), 0.5), Augmentation.NOISE, generator()) - 0.5
    deviations = change.flatten(1).std(1)
    assert float(change.mean()) == pytest.approx(0, abs=1e-3)
    assert 0.03 < float(deviations.max()) < 0.043
    assert float(deviations.min()) < 0.01


def test_nists_warp_turns_by_at_most_30_degrees_and_never_mirrors() -> None:
    """On a picture of its own coordinates the map can be read from the colours."""
    axis = (torch.arange(64) + 0.5) / 64
    picture = torch.stack([axis.expand(64, 64), axis[:, None].expand(64, 64), torch.full((64, 64), 0.5)])
    from laboratory.roundgen import augmentation

    shown = augmentation._warped(picture.expand(200, 3, 64, 64), generator())[:, :2, 24:32, 24:32]
    across, down = shown.diff(dim=3).mean((2, 3)), shown.diff(dim=2).mean((2, 3))
    determinant = across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0]
    turn = torch.atan2(across[:, 1], across[:, 0]).rad2deg()
    assert bool((determinant > 0).all())
    assert 20 < float(turn.abs().max()) <= 31
    scale = determinant.sqrt() * 56  # of the picture's side that the network sees
    assert float(scale.min()) > 0.8**0.5 / 1.1 - 0.02
    assert float(scale.max()) < 1 / 0.9 + 0.02
