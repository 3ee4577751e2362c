"""What a caller says of photographs of their own: checked when it is said, and told in the name of the profile."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from detector.base.errors import UsageError
from detector.report.document import to_plain
from detector.rounds.preparation import AS_THEY_ARE, LARGEST_INPUT, SMALLEST_INPUT, Preparation
from detector.rounds.preprocessing import PROFILES
from detector.rounds.profile import Preprocessing

ROUND2 = PROFILES["round2"]
HALF = (0.5, 0.5, 0.5)


def test_nothing_said_changes_nothing() -> None:
    assert AS_THEY_ARE.applied(ROUND2) == ROUND2
    assert AS_THEY_ARE.applied(ROUND2).name == AS_THEY_ARE.described("round2") == "round2"


def test_resized_to_the_size_of_the_profile() -> None:
    profile = Preparation.of(resize=True).applied(PROFILES["small"])
    assert (profile.crop, profile.uncropped, profile.resized) == (48, 54, True)
    assert profile.name == "small, resized to 48 pixels"


@pytest.mark.parametrize(("size", "side"), [(224, 256), (64, 73), (112, 128), (299, 342)])
def test_resized_to_a_size_of_ones_own_in_the_ratio_of_published_weights(size: int, side: int) -> None:
    profile = Preparation.of(resize=size).applied(ROUND2)
    assert (profile.crop, profile.uncropped, profile.resized) == (size, side, True)


def test_mean_and_deviation_take_the_place_of_the_profiles() -> None:
    said = Preparation.of(mean=[0.1, 0.2, 0.3], deviation=[0.5, 0.25, 1])
    pixels = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    found = said.applied(PROFILES["imagenet"])(pixels)
    expected = (pixels / 255 - np.array([0.1, 0.2, 0.3])) / np.array([0.5, 0.25, 1])
    np.testing.assert_allclose(found, expected.transpose(2, 0, 1), atol=1e-6)
    assert said.described("learned") == "learned, mean 0.1 0.2 0.3, deviation 0.5 0.25 1"


def test_what_is_prepared_otherwise_is_described_otherwise() -> None:
    """Answers of an evaluation are only put together where these words are the same."""
    said = [
        Preparation.of(),
        Preparation.of(True),
        Preparation.of(64),
        Preparation.of(False, HALF, HALF),
        Preparation.of(True, HALF, HALF),
        Preparation.of(False, HALF, (0.5, 0.5, 0.25)),
    ]
    assert len({one.described("learned") for one in said}) == len(said)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"resize": SMALLEST_INPUT - 1}, "31 pixels"),
        ({"resize": LARGEST_INPUT + 1}, "513 pixels"),
        ({"resize": 0}, "0 pixels"),
        ({"resize": -224}, "-224 pixels"),
        ({"mean": HALF}, "one of them alone"),
        ({"deviation": HALF}, "one of them alone"),
        ({"mean": (0.5, 0.5), "deviation": HALF}, "2 numbers"),
        ({"mean": (123.7, 116.3, 103.5), "deviation": (58.4, 57.1, 57.4)}, "divide by 255"),
        ({"mean": HALF, "deviation": (0.5, 0.0, 0.5)}, "above 0"),
        ({"mean": HALF, "deviation": (0.5, -0.1, 0.5)}, "above 0"),
        ({"mean": (0.5, math.nan, 0.5), "deviation": HALF}, "nan"),
        ({"mean": (0.5, math.inf, 0.5), "deviation": HALF}, "inf"),
    ],
)
def test_what_cannot_be_meant_is_refused(said: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Preparation.of(**said)


def test_a_profile_comes_back_from_a_report() -> None:
    profile = Preparation.of(64, HALF, HALF).applied(PROFILES["round1"])
    document: Any = to_plain(profile)
    assert Preprocessing.from_document(document) == profile
    with pytest.raises(ValueError):
        Preprocessing.from_document({**document, "scaling": "sideways"})
