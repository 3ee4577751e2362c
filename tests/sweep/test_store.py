"""The store of logits: what was measured is found again, in parts too, and nothing else is ever believed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.sweep.store import Shelf, Store, StoredLogits

THETA = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, 5, 4)
NAMES = ("a.png", "b.png", "c.png", "d.png")
LOGITS = np.random.default_rng(0).normal(size=(5, 4, 3)).astype(np.float32)
ANSWERS = StoredLogits(NAMES, LOGITS, 20.0)


def shelf(scratch: Path | None, sha256: str = "00ff", preprocessing: str = "small") -> Shelf:
    return Store(scratch).shelf(sha256, preprocessing)


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    shelf(tmp_path).put(THETA, ANSWERS)
    return tmp_path


def the_file(scratch: Path) -> Path:
    (path,) = scratch.rglob("*.npz")
    return path


def test_a_second_run_finds_it_to_the_bit(filled: Path) -> None:
    found = shelf(filled).find(THETA, NAMES)
    assert found is not None
    assert (found.names, found.seconds, found.logits.dtype) == (NAMES, 20.0, np.dtype(np.float32))
    np.testing.assert_array_equal(found.logits, LOGITS)


def test_without_a_folder_it_lasts_as_long_as_the_model_in_hand() -> None:
    one = shelf(None)
    one.put(THETA, ANSWERS)
    assert one.find(THETA, NAMES) is not None
    assert shelf(None).find(THETA, NAMES) is None


@pytest.mark.parametrize("scratch", [True, False])
def test_fewer_images_and_variants_are_a_part(scratch: bool, tmp_path: Path) -> None:
    """Of 5 windows every second one is a window of 3; the order is that of the names asked for."""
    one = shelf(tmp_path if scratch else None)
    one.put(THETA, ANSWERS)
    found = one.find(replace(THETA, num_pruned_models=3), ("d.png", "b.png"))
    assert found is not None
    np.testing.assert_array_equal(found.logits, LOGITS[[0, 2, 4]][:, [3, 1]])
    assert found.seconds == pytest.approx(20.0 * 6 / 20)


def test_the_unpruned_network_has_a_place_of_its_own(filled: Path) -> None:
    assert shelf(filled).find(None, NAMES) is None
    shelf(filled).put(None, StoredLogits(NAMES, LOGITS[:1] + 1, 1.0))
    for theta, expected in ((None, LOGITS[:1] + 1), (THETA, LOGITS)):
        found = shelf(filled).find(theta, NAMES)
        assert found is not None
        np.testing.assert_array_equal(found.logits, expected)


@pytest.mark.parametrize(
    "other",
    [
        replace(THETA, p=0.2),
        replace(THETA, gain=9.0),
        replace(THETA, seed=1),
        replace(THETA, num_pruned_models=4),
        replace(THETA, num_pruned_models=9),
    ],
)
def test_another_theta_is_not_found(other: Theta, filled: Path) -> None:
    assert shelf(filled).find(other, NAMES) is None


def test_another_model_preprocessing_or_image_is_not_found(filled: Path) -> None:
    assert shelf(filled, sha256="00fe").find(THETA, NAMES) is None
    assert shelf(filled, preprocessing="round2").find(THETA, NAMES) is None
    assert shelf(filled).find(THETA, ("a.png", "e.png")) is None


def test_the_number_of_images_of_theta_plays_no_part(filled: Path) -> None:
    assert shelf(filled).find(replace(THETA, num_images=77), NAMES[:1]) is not None


def test_more_images_are_kept_beside_fewer(filled: Path) -> None:
    names = ("e.png", *NAMES)
    shelf(filled).put(THETA, StoredLogits(names, np.zeros((5, 5, 3), np.float32), 1.0))
    assert shelf(filled).find(THETA, names) is not None
    assert shelf(filled).find(THETA, NAMES) is not None


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    """One bit of the logits, which only the checksum can tell."""
    content = bytearray(path.read_bytes())
    content[content.index(LOGITS.tobytes()) + 5] ^= 1
    path.write_bytes(content)


def foreign(path: Path) -> None:
    np.savez(path, something=np.ones(3))


def pickled(path: Path) -> None:
    np.savez(path, header=np.array([{"key": 1}], dtype=object), logits=LOGITS)


def other_model(path: Path) -> None:
    """The file of another model under this one's name."""
    rewrite(path, lambda header: header["key"].update(model="someone else's"))


def fewer_names(path: Path) -> None:
    rewrite(path, lambda header: header["names"].pop())


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    with np.load(path) as arrays:
        header, logits = json.loads(arrays["header"].tobytes()), arrays["logits"]
    change(header)
    np.savez(path, header=np.frombuffer(json.dumps(header).encode(), np.uint8), logits=logits)


@pytest.mark.parametrize("damage", [cut, empty, flip, foreign, pickled, other_model, fewer_names])
def test_damaged_and_foreign_files_count_as_not_measured(
    damage: Callable[[Path], None], filled: Path, caplog: pytest.LogCaptureFixture
) -> None:
    damage(the_file(filled))
    assert shelf(filled).find(THETA, NAMES) is None
    assert "is measured again" in caplog.text
    shelf(filled).put(THETA, ANSWERS)
    assert shelf(filled).find(THETA, NAMES) is not None


def test_a_file_in_the_making_is_not_seen(filled: Path) -> None:
    """Killed between writing and renaming."""
    path = the_file(filled)
    path.rename(path.with_name(f".{path.name}.123"))
    assert shelf(filled).find(THETA, NAMES) is None


def test_scratch_that_cannot_be_written_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "logits").touch()
    one = shelf(tmp_path)
    one.put(THETA, ANSWERS)
    one.put(replace(THETA, p=0.2), ANSWERS)
    assert one.find(THETA, NAMES) is not None
    assert caplog.text.count("measurements are not kept") == 1
