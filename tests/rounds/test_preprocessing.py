"""Profiles, against the arithmetic written out by hand and, for /255, torchvision's definition of it."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from detector.rounds.preprocessing import PROFILES, ChannelOrder, Preprocessing, Scaling


def _pixels(side: int, seed: int = 0, low: int = 17, high: int = 201) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, (side, side, 3), dtype=np.uint8)


def _by_hand(pixels: np.ndarray, channels: tuple[int, int, int], offset: int, minmax: bool) -> np.ndarray:
    """One pixel at a time, in Python's own double precision."""
    values = pixels[offset : offset + 224, offset : offset + 224]
    low, high = (int(values.min()), int(values.max())) if minmax else (0, 255)
    out = np.empty((3, 224, 224), dtype=np.float32)
    for plane, channel in enumerate(channels):
        for y in range(0, 224):
            for x in range(0, 224):
                out[plane, y, x] = (int(values[y, x, channel]) - low) / (high - low)
    return out


@pytest.mark.parametrize(
    ("profile", "side", "channels", "minmax"),
    [
        ("round1", 224, (2, 1, 0), True),
        ("round2", 256, (0, 1, 2), False),
        ("round3", 224, (0, 1, 2), False),
        ("round4", 256, (0, 1, 2), False),
        ("rgb_minmax", 256, (0, 1, 2), True),
        ("rgb_minmax", 224, (0, 1, 2), True),
    ],
)
def test_profiles_by_hand(profile: str, side: int, channels: tuple[int, int, int], minmax: bool) -> None:
    pixels = _pixels(side)
    got = PROFILES[profile](pixels)
    assert got.dtype == np.float32
    assert got.shape == (3, 224, 224)
    assert got.flags.c_contiguous
    np.testing.assert_array_equal(got, _by_hand(pixels, channels, (side - 224) // 2, minmax))


def test_div255_is_what_totensor_computes() -> None:
    pixels = _pixels(224, low=0, high=256)
    expected = torch.from_numpy(pixels.transpose(2, 0, 1).copy()).to(torch.float32).div(255)
    np.testing.assert_array_equal(PROFILES["round4"](pixels), expected.numpy())


def test_minmax_looks_at_the_crop_only_and_at_all_channels_together() -> None:
    pixels = np.full((256, 256, 3), 100, dtype=np.uint8)
    pixels[0, 0] = (0, 255, 0)  # outside the crop
    pixels[20, 20] = (50, 100, 150)
    image = PROFILES["rgb_minmax"](pixels)
    assert image[:, 4, 4].tolist() == [0.0, 0.5, 1.0]
    assert image[:, 100, 100].tolist() == [0.5, 0.5, 0.5]


def test_minmax_keeps_full_range_images_as_div255_does() -> None:
    pixels = _pixels(224, low=0, high=256)
    pixels[0, 0], pixels[0, 1] = 0, 255
    np.testing.assert_allclose(PROFILES["rgb_minmax"](pixels), PROFILES["round2"](pixels), atol=1e-7)


@pytest.mark.parametrize("value", [0, 7, 255])
def test_a_constant_image_has_no_range(value: int) -> None:
    assert not PROFILES["round1"](np.full((224, 224, 3), value, dtype=np.uint8)).any()
    constant = PROFILES["round4"](np.full((224, 224, 3), value, dtype=np.uint8))
    assert np.unique(constant).tolist() == [np.float32(value / 255)]


@pytest.mark.parametrize(
    ("profile", "width", "height", "accepted"),
    [
        ("round1", 224, 224, True),
        ("round1", 256, 256, True),  # Round 1 has none, but every setting must run on every round
        ("round2", 256, 256, True),
        ("round2", 224, 224, True),
        ("round2", 256, 224, False),
        ("round2", 300, 300, False),
        ("round2", 1, 1, False),
        ("round2", 20_000, 20_000, False),
    ],
)
def test_accepted_sizes(profile: str, width: int, height: int, accepted: bool) -> None:
    assert PROFILES[profile].accepts(width, height) is accepted


def test_other_sizes_are_never_resized() -> None:
    with pytest.raises(ValueError, match="300 x 300"):
        PROFILES["round2"](_pixels(300))


def test_the_table_is_what_the_rounds_are() -> None:
    rgb, bgr = ChannelOrder.RGB, ChannelOrder.BGR
    assert PROFILES["round1"] == Preprocessing("round1", 224, bgr, Scaling.MINMAX)
    for name in ("round2", "round3", "round4"):
        assert PROFILES[name] == Preprocessing(name, 224, rgb, Scaling.DIV255)
    assert PROFILES["rgb_minmax"] == Preprocessing("rgb_minmax", 224, rgb, Scaling.MINMAX)


def test_profiles_are_equal_if_they_make_the_same_of_an_image_whatever_their_names() -> None:
    assert PROFILES["round2"] == PROFILES["round3"] == PROFILES["round4"]
    assert len({PROFILES[name] for name in ("round1", "round2", "rgb_minmax", "small")}) == 4


def test_imagenets_mean_and_deviation_are_those_of_torchvision() -> None:
    """Its Normalize is documented as (input[channel] - mean[channel]) / std[channel]."""
    mean, deviation = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[:, :, None, None]
    pixels = _pixels(256, low=0, high=256)
    scaled = torch.from_numpy(pixels[16:240, 16:240].transpose(2, 0, 1).copy()).to(torch.float32).div(255)
    image = PROFILES["imagenet"](pixels)
    assert image.dtype == np.float32
    assert image.flags.c_contiguous
    np.testing.assert_allclose(image, ((scaled - mean) / deviation).numpy(), atol=1e-6)


def test_mean_and_deviation_follow_the_order_in_which_the_network_sees_channels() -> None:
    profile = Preprocessing(
        "own", 4, ChannelOrder.BGR, Scaling.DIV255, 4, mean=(0.1, 0.2, 0.3), deviation=(0.5, 1.0, 2.0)
    )
    image = profile(np.full((4, 4, 3), (255, 0, 51), np.uint8))
    np.testing.assert_allclose(image[:, 1, 2], [(0.2 - 0.1) / 0.5, (0.0 - 0.2) / 1.0, (1.0 - 0.3) / 2.0], rtol=1e-6)


def test_round_11_crops_nothing() -> None:
    pixels = _pixels(256, low=0, high=256)
    expected = pixels.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(PROFILES["round11"](pixels), expected)
    assert not PROFILES["round11"].accepts(224, 224)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"scaling": "div256"}, "div256"),
        ({"scaling": None}, "None"),
        ({"channel_order": "GRB"}, "GRB"),
        ({"channel_order": "rgb"}, "rgb"),
        ({"crop": 0}, "1 <= crop"),
        ({"crop": 300}, "1 <= crop"),
        ({"mean": (0.5, 0.5, 0.5)}, "or neither"),
        ({"deviation": (0.5, 0.5, 0.5)}, "or neither"),
        ({"mean": (0.5, 0.5), "deviation": (1.0, 1.0)}, "three finite means"),
        ({"mean": (0.5, 0.5, math.nan), "deviation": (1.0, 1.0, 1.0)}, "three finite means"),
        ({"mean": (0.5, 0.5, 0.5), "deviation": (1.0, 0.0, 1.0)}, "three positive deviations"),
        ({"mean": (0.5, 0.5, 0.5), "deviation": (1.0, -1.0, 1.0)}, "three positive deviations"),
        ({"mean": (0.5, 0.5, 0.5), "deviation": (1.0, math.inf, 1.0)}, "three positive deviations"),
    ],
)
def test_what_a_profile_does_not_know_is_an_error_never_a_default(changes: dict[str, Any], reason: str) -> None:
    fields: dict[str, Any] = {"name": "own", "crop": 224, "channel_order": ChannelOrder.RGB, "scaling": Scaling.DIV255}
    Preprocessing(**fields)
    with pytest.raises(ValueError, match=reason):
        Preprocessing(**fields | changes)


@pytest.mark.parametrize("field", ["scaling", "channel_order"])
def test_not_even_a_forged_profile_falls_back(field: str) -> None:
    profile = Preprocessing("own", 4, ChannelOrder.RGB, Scaling.DIV255, 4)
    object.__setattr__(profile, field, "unknown")
    with pytest.raises(AssertionError, match="unknown"):
        profile(np.zeros((4, 4, 3), np.uint8))


@pytest.mark.parametrize("name", ["round1", "round2", "rgb_minmax"])
def test_cropped_pixels_are_scaled_together_as_one_by_one(name: str) -> None:
    """What probes change are the cropped pixels; unchanged they give the very inputs of the files."""
    profile = PROFILES[name]
    pixels = np.random.default_rng(0).integers(5, 250, (3, 256, 256, 3), dtype=np.uint8)
    pixels[2] = 9
    cropped = np.stack([profile.cropped(one) for one in pixels])
    np.testing.assert_array_equal(cropped[0], pixels[0, 16:240, 16:240].transpose(2, 0, 1))
    scaled = profile.scaled(cropped)
    np.testing.assert_array_equal(scaled, np.stack([profile(one) for one in pixels]))
    assert scaled.flags.c_contiguous
    assert profile.scaled(cropped[:0]).shape == (0, 3, 224, 224)
