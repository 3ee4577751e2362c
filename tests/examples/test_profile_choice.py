"""Which preprocessing is found, with made-up accuracies and with a network that knows one alone."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from detector.base.findings import Severity
from detector.examples.images import decode, list_examples
from detector.examples.profile_choice import candidate_profiles, choose_profile
from detector.rounds.preprocessing import PROFILES
from detector.rounds.profile import Preprocessing

R1, R2, R3, R11, IMAGENET = (PROFILES[name] for name in ("round1", "round2", "round3", "round11", "imagenet"))


def _png(path: Path, side: int, seed: int = 0) -> None:
    pixels = np.random.default_rng(seed).integers(30, 200, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@given(st.lists(st.floats(0, 0.99), min_size=4, max_size=4), st.permutations([R1, R2, R11, IMAGENET]))
def test_the_best_is_chosen_and_the_documented_one_on_ties(
    values: list[float], candidates: list[Preprocessing]
) -> None:
    accuracies = dict(zip(candidates, values, strict=True))
    for documented in candidates:
        choice = choose_profile(candidates, documented, accuracies.__getitem__)
        assert accuracies[choice.profile] == max(values)
        assert choice.profile == documented or accuracies[documented] < max(values)
        assert choice.accuracies == {profile.name: accuracies[profile] for profile in candidates}


def test_where_the_documented_one_has_no_error_no_other_is_asked() -> None:
    asked: list[str] = []

    def accuracy(profile: Preprocessing) -> float:
        asked.append(profile.name)
        return 1.0

    choice = choose_profile((R1, R2, IMAGENET), R2, accuracy)
    assert choice.profile is R2
    assert asked == ["round2"]
    assert (choice.finding.code, choice.finding.severity) == ("preprocessing_found", Severity.INFO)


def test_the_same_under_two_names_is_asked_once() -> None:
    asked: list[str] = []

    def accuracy(profile: Preprocessing) -> float:
        asked.append(profile.name)
        return 0.5

    choice = choose_profile((R2, R3, R1), R3, accuracy)
    assert asked == ["round3", "round1"]
    assert choice.profile.name == "round3"


def test_another_profile_is_told_with_both_accuracies() -> None:
    choice = choose_profile((R2, R1), R2, {R2: 0.3, R1: 0.975}.__getitem__)
    assert choice.profile is R1
    assert choice.finding.severity is Severity.WARNING
    assert choice.finding.evidence == {
        "used": "round1",
        "documented": "round2",
        "accuracies": {"round2": 0.3, "round1": 0.975},
    }
    assert "97.5%" in choice.finding.message
    assert "30.0%" in choice.finding.message


def test_a_documented_profile_of_another_size_is_not_asked() -> None:
    choice = choose_profile((R2, R1), PROFILES["small"], {R2: 0.4, R1: 0.2}.__getitem__)
    assert choice.profile is R2
    assert "does not take" in choice.finding.message


def test_without_candidates_there_is_no_choice() -> None:
    with pytest.raises(ValueError, match="at least one profile"):
        choose_profile((), R2, lambda _: 1.0)


@pytest.mark.parametrize(
    ("side", "num_classes", "first", "others"),
    [
        (256, None, "round1", {"round2", "round11", "rgb_minmax", "imagenet"}),
        (256, 30, "round4", {"round1", "round11", "rgb_minmax", "imagenet"}),
        (224, 5, "round1", {"round2", "rgb_minmax", "imagenet"}),
        (54, None, "small", set()),
        (48, 5, "small", set()),
        (100, None, "size_100", set()),
        (2000, None, None, set()),
    ],
)
def test_candidates_fit_the_images(
    side: int, num_classes: int | None, first: str | None, others: set[str], tmp_path: Path
) -> None:
    _png(tmp_path / "class_0_example_0.png", side)
    candidates = candidate_profiles(list_examples(tmp_path), num_classes)
    names = [profile.name for profile in candidates if " with " not in profile.name]
    assert names[:1] == ([first] if first else [])
    assert set(names[1:]) == others
    ways = {(one.crop, one.channel_order, one.scaling, one.mean) for one in candidates}
    assert len(ways) == len(candidates) == 5 * len({one.crop for one in candidates})


def test_folders_of_round_11_are_recognised_by_their_names(tmp_path: Path) -> None:
    Image.new("RGB", (256, 256), (9, 99, 199)).save(tmp_path / "0.jpg")
    (tmp_path / "0.json").write_text("1")
    assert candidate_profiles(list_examples(tmp_path), 40)[0].name == "round11"


@pytest.mark.parametrize("trained_with", ["round1", "round2", "rgb_minmax", "imagenet"])
def test_a_network_says_how_it_sees_images(trained_with: str, tmp_path: Path) -> None:
    """The stand-in answers with the class of the image that it was shown in training nearest to what it sees."""
    for label in range(6):
        _png(tmp_path / f"class_{label}_example_0.png", 256, seed=label)
    listing = list_examples(tmp_path)
    known = decode(listing, range(6), PROFILES[trained_with]).images

    def accuracy(profile: Preprocessing) -> float:
        seen = decode(listing, range(6), profile)
        exact = [
            np.allclose(image, known[label], atol=1e-6) for image, label in zip(seen.images, seen.labels, strict=True)
        ]
        return float(np.mean(exact))

    fitting = [profile for profile in candidate_profiles(listing) if profile.crop == 224]
    for documented in fitting:
        assert choose_profile(fitting, documented, accuracy).profile == PROFILES[trained_with]
