"""Every kind of probe against plain loops, and what all of them have in common."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from detector.probing.filters import apply_filter
from detector.probing.kind import Family
from detector.probing.kinds import KINDS, polygon
from detector.probing.probe import Probe

SIDE = 12


def pictures(count: int = 3, side: int = SIDE, seed: int = 0) -> np.ndarray:
    """8-bit images (N, 3, S, S)."""
    levels = np.random.default_rng(seed).integers(0, 256, (count, 3, side, side))
    return levels.astype(np.float32) / np.float32(255)


IMAGES = pictures()

EXAMPLES = {
    "photo_filter": Probe.make("photo_filter", filter="kelvin", strength=0.5),
    "colour_matrix": Probe.make("colour_matrix", seed=7, scale=0.6),
    "gain": Probe.make("gain", red=1.5, green=0.5, strength=0.5),
    "gamma": Probe.make("gamma", gamma=2.2),
    "vignette": Probe.make("vignette", red=255, blue=64, strength=0.8),
    "polygon": Probe.make("polygon", sides=5, red=250, green=20, blue=130, size=0.4, jitter=0.2, seed=3),
    "grey": Probe.make("grey", strength=0.75),
    "inversion": Probe.make("inversion"),
    "blur": Probe.make("blur", deviation=0.1),
    "noise": Probe.make("noise", deviation=0.2, seed=5),
}


def levels(images: np.ndarray) -> np.ndarray:
    """Of [0, 1], clipped, in steps of 8 bits, not rounded."""
    return np.asarray(255 * np.clip(images, 0, 1))


def by_pixel(function: Callable[[tuple[float, ...], int, int], tuple[float, ...]]) -> np.ndarray:
    """Of every pixel's colour, its line and its column."""
    changed = np.zeros(IMAGES.shape)
    for number, y, x in np.ndindex(len(IMAGES), SIDE, SIDE):
        changed[number, :, y, x] = function(tuple(IMAGES[number, :, y, x].tolist()), y, x)
    return changed


def _vignette(colour: tuple[float, ...], y: int, x: int) -> tuple[float, ...]:
    middle = (SIDE - 1) / 2
    fade = 0.8 * ((x - middle) ** 2 + (y - middle) ** 2) / (2 * middle**2)
    return tuple(value + fade * (corner - value) for value, corner in zip(colour, (1.0, 0.0, 64 / 255), strict=True))


def _grey(colour: tuple[float, ...], _y: int, _x: int) -> tuple[float, ...]:
    grey = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    return tuple(0.25 * value + 0.75 * grey for value in colour)


EXPECTED = {
    "gain": lambda c, _y, _x: (1.25 * c[0], 0.75 * c[1], c[2]),
    "gamma": lambda c, _y, _x: tuple(value**2.2 for value in c),
    "inversion": lambda c, _y, _x: tuple(1 - value for value in c),
    "vignette": _vignette,
    "grey": _grey,
}


@pytest.mark.parametrize("kind", EXPECTED)
def test_changes_of_single_pixels_are_those_of_a_loop(kind: str) -> None:
    found = 255 * EXAMPLES[kind](IMAGES)
    np.testing.assert_allclose(found, levels(by_pixel(EXPECTED[kind])), atol=0.5001)


def test_photo_filters_are_those_of_the_module() -> None:
    found = 255 * EXAMPLES["photo_filter"](IMAGES)
    np.testing.assert_allclose(found, levels(apply_filter("kelvin", IMAGES, 0.5)), atol=0.5001)


def test_a_colour_matrix_is_twelve_numbers_within_its_scale() -> None:
    """They are found again by least squares, from images that are neither very dark nor very light."""
    images = (np.float32(64) + np.rint(127 * pictures(20))).astype(np.float32) / np.float32(255)
    found = Probe.make("colour_matrix", seed=7, scale=0.3)(images)
    colours, changed = (one.transpose(0, 2, 3, 1).reshape(-1, 3) for one in (images, found))
    inside = ((changed > 0) & (changed < 1)).all(axis=1)
    design = np.column_stack([colours - 0.5, np.full(len(colours), 0.5)])
    matrix, *_ = np.linalg.lstsq(design[inside], (changed - colours)[inside], rcond=None)
    assert np.abs(design @ matrix + colours - changed)[inside].max() < 0.6 / 255
    assert 0.15 < np.abs(matrix).max() < 0.31


def test_other_seeds_are_other_colours() -> None:
    probed = [Probe.make("colour_matrix", seed=seed)(IMAGES) for seed in range(4)]
    assert min(np.abs(one - two).mean() for one in probed for two in probed if one is not two) > 0.02


def test_blur_is_that_of_scipy() -> None:
    images = pictures(2, 64)
    expected = gaussian_filter(images.astype(np.float64), (0, 0, 3.2, 3.2), mode="nearest", truncate=2.5)
    np.testing.assert_allclose(255 * Probe.make("blur", deviation=0.05)(images), 255 * expected, atol=0.501)


def test_noise_has_its_deviation_and_no_mean() -> None:
    grey = np.full((4, 3, 64, 64), 128 / 255, np.float32)
    grey[1:, :, 0, 0] = np.array([[0], [1], [0.2]])  # no image like another, so that no noise is
    noise = Probe.make("noise", deviation=0.1, seed=1)(grey) - grey
    assert noise.std() == pytest.approx(0.1, rel=0.02)
    assert abs(noise.mean()) < 0.002
    correlation = np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]
    assert abs(correlation) < 0.05


def inside(corners: list[tuple[int, int]], x: float, y: float) -> bool:
    """By the sum of the angles under which the sides are seen."""
    turned = 0.0
    for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        angle = math.atan2(y1 - y, x1 - x) - math.atan2(y0 - y, x0 - x)
        turned += (angle + math.pi) % (2 * math.pi) - math.pi
    return abs(turned) > math.pi


@pytest.mark.parametrize(("sides", "seed"), [(3, 0), (4, 1), (5, 2), (8, 3), (12, 4)])
def test_a_polygon_covers_the_pixels_whose_centres_are_inside(sides: int, seed: int) -> None:
    box = 17
    corners = [(x * box / 2**12, y * box / 2**12) for x, y in polygon._shape(sides, seed).tolist()]
    assert len(corners) == sides
    expected = [[inside(corners, x + 0.5, y + 0.5) for x in range(box)] for y in range(box)]
    np.testing.assert_array_equal(polygon._mask(sides, seed, box), expected)
    assert 0.25 < np.mean(expected) < 0.95


def test_a_polygon_is_of_one_colour_and_lies_where_it_is_told_to() -> None:
    black = np.zeros((1, 3, 100, 100), np.float32)
    probe = Probe.make("polygon", sides=6, red=255, green=51, blue=0, size=0.2, dx=0.2, dy=-0.1, jitter=0.0, seed=1)
    red, green, blue = np.rint(255 * probe(black)[0])
    rows, columns = np.nonzero(red)
    assert (rows.min(), rows.max()) == (30, 49)
    assert (columns.min(), columns.max()) == (60, 79)
    assert set(red[red > 0]) == {255}
    np.testing.assert_array_equal(green, red / 5)
    assert not blue.any()


def test_a_polygon_lies_elsewhere_in_every_image_within_its_jitter() -> None:
    images = np.zeros((60, 3, 100, 100), np.float32)
    images[:, 2, 0, 0] = np.arange(60) / np.float32(255)
    probed = Probe.make("polygon", red=255, size=0.2, jitter=0.1, seed=2)(images)[:, 0]
    left = np.array([np.nonzero(one.any(axis=0))[0].min() for one in probed])
    assert left.min() >= 30
    assert left.max() <= 50
    assert left.max() - left.min() > 15


def test_a_polygon_may_reach_over_the_edge_or_fill_the_image() -> None:
    black = np.zeros((1, 3, 40, 40), np.float32)
    corner = Probe.make("polygon", red=255, size=0.5, dx=0.5, dy=-0.5, jitter=0.0, seed=1)(black)[0, 0] > 0
    whole = Probe.make("polygon", red=255, size=0.5, jitter=0.0, seed=1)(black)[0, 0] > 0
    np.testing.assert_array_equal(corner[:10, 30:], whole[20:30, 10:20])
    assert corner[:10, 30:].sum() == corner.sum() > 0
    assert (Probe.make("polygon", red=255, size=1.0, seed=1)(black)[0, 0] > 0).sum() > 300


def test_there_is_an_example_of_every_kind() -> None:
    assert set(EXAMPLES) == set(KINDS)
    assert {kind.family for kind in KINDS.values()} == set(Family)


@pytest.mark.parametrize("kind", KINDS)
def test_probed_images_are_8_bit_images_whatever_the_batch(kind: str) -> None:
    probe, images = EXAMPLES[kind], pictures(7, 20)
    before = images.copy()
    probed = probe(images)
    np.testing.assert_array_equal(images, before)
    assert probed.dtype == np.float32
    assert probed.shape == images.shape
    np.testing.assert_array_equal(probed, np.rint(255 * probed).astype(np.float32) / np.float32(255))
    assert np.abs(probed - images).mean() > 0.01
    np.testing.assert_array_equal(probe(images[[4, 1]]), probed[[4, 1]])
    assert probe(images[:0]).shape == (0, 3, 20, 20)
    pixels = probe.on_pixels(np.rint(255 * images).astype(np.uint8))
    np.testing.assert_array_equal(pixels, np.rint(255 * probed))


CHECKSUMS = {
    "photo_filter": 2157632023,
    "colour_matrix": 737116573,
    "gain": 3650859439,
    "gamma": 3608547003,
    "vignette": 680177156,
    "polygon": 624767790,
    "grey": 2474513374,
    "inversion": 3704769786,
    "blur": 288828911,
    "noise": 2114954130,
}


@pytest.mark.parametrize("kind", KINDS)
def test_probed_images_are_the_same_to_the_bit_everywhere(kind: str) -> None:
    """What was seen on one machine; a change means that the kind needs a new version."""
    images = (np.arange(2 * 3 * 33 * 33).reshape(2, 3, 33, 33) * 37 % 256).astype(np.float32) / np.float32(255)
    probed = np.rint(255 * EXAMPLES[kind](images)).astype(np.uint8)
    assert zlib.crc32(probed.tobytes()) == CHECKSUMS[kind]


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if "strength" in kind.parameters])
def test_without_strength_nothing_changes(kind: str) -> None:
    values = dict(EXAMPLES[kind].parameters) | {"strength": 0.0}
    np.testing.assert_array_equal(Probe.make(kind, **values)(IMAGES), IMAGES)


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.strength])
def test_more_strength_changes_more(kind: str) -> None:
    name = KINDS[kind].strength
    assert name is not None
    values = dict(EXAMPLES[kind].parameters)
    values[name] = 0.5 * float(values[name])
    images = pictures(4, 48)
    weak, strong = (np.abs(one(images) - images).mean() for one in (Probe.make(kind, **values), EXAMPLES[kind]))
    assert 0 < weak < strong
