"""What the tables say about measurements made up by hand."""

from functools import partial
from pathlib import Path

import pytest

from benchmarks import budgets, process
from benchmarks.budgets import cell
from benchmarks.detections import Machine, Measured, floor, table
from benchmarks.process import Detection

HERE = Machine(speed=100.0, imports=2.0, load=0.0)
FAST = Measured(wall=5.0, cpu=9.0, memory=10**9, file_bytes=10**8, load=0.1)


def test_floor_is_the_arithmetic_of_160_images_at_full_speed() -> None:
    assert floor("resnet50", 100.0) == pytest.approx(2 * 4.087e9 * 160 / 100e9, rel=1e-3)


def test_geometric_mean_is_that_of_wall_over_floor_and_imports() -> None:
    wall = 2 * (floor("resnet18", 100.0) + 2.0)
    far = 8 * (floor("resnet34", 100.0) + 2.0)
    measured = {"resnet18": Measured(wall, 1, 1, 1, 0), "resnet34": Measured(far, 1, 1, 1, 0)}
    assert "geometric mean of the ratios: 4.00" in table(measured, HERE)


def test_missed_targets_are_named() -> None:
    slow = Measured(wall=8.1, cpu=16.0, memory=1_250_000_001, file_bytes=10**8, load=0.1)
    text = table({"resnet18": slow, "resnet50": slow, "resnet34": FAST}, HERE)
    assert "later than wanted: resnet18\n" in text
    assert "more memory than 2.5 x file + 1 GB: resnet18, resnet50" in text


@pytest.mark.parametrize(
    ("thetas", "basis", "code", "wall", "told"),
    [
        ([{"num_pruned_models": 15, "num_images": 10}], "measured", 0, 7.94, "15 x 10, 7.9"),
        ([{"num_pruned_models": 5, "num_images": 10}], "measured", 0, 8.06, "5 x 10, 8.1 LATE"),
        (None, "base_rate", 0, 7.0, "base rate, 7.0"),
        (None, "neutral", 6, 6.1, "none (exit 6), 6.1"),
    ],
)
def test_cells_say_what_answered_and_whether_in_time(
    thetas: list[dict[str, int]] | None, basis: str, code: int, wall: float, told: str
) -> None:
    assert cell(Detection(wall, wall, 1, code, {"thetas": thetas, "basis": basis}), 8) == told


def test_longer_budgets_than_one_that_is_enough_are_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Idle 15 s are enough, busy not even 60 s; what was measured is kept for the second time."""
    tried: list[tuple[str, int, int]] = []

    def measured(name: str, busy: int, seconds: int, *_: Path) -> str:
        tried.append((name, busy, seconds))
        size = "15 x 10" if seconds >= 15 and not busy else "5 x 10"
        return f"{size}, 7.0" + " LATE" * (seconds == 8)

    monkeypatch.setattr(budgets, "_measured", measured)
    monkeypatch.setattr(budgets, "usable_cpus", lambda: 2)
    text = budgets.table(["resnet18"], tmp_path)
    assert "| resnet18 | idle | 5 x 10, 7.0 LATE | 15 x 10, 7.0 | = | = |" in text
    assert "| resnet18 | busy | 5 x 10, 7.0 LATE | 5 x 10, 7.0 | 5 x 10, 7.0 | 5 x 10, 7.0 |" in text
    assert "in time: 4 of 6" in text
    assert len(tried) == 6
    assert budgets.table(["resnet18"], tmp_path) == text
    assert len(tried) == 6


def test_figures_of_other_code_are_measured_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "one.json"
    for code, value, expected in (("a", 1.0, 1.0), ("a", 2.0, 1.0), ("b", 3.0, 3.0)):
        monkeypatch.setattr(process, "code_digest", partial(str, code))
        assert process.kept(path, partial(float, value)) == expected


def test_the_digest_of_code_follows_every_module(tmp_path: Path) -> None:
    (tmp_path / "detector" / "deep").mkdir(parents=True)
    (tmp_path / "entrypoint.py").write_text("1")
    found = []
    for text in ("1", "2"):
        (tmp_path / "detector" / "deep" / "module.py").write_text(text)
        found.append(process.code_digest.__wrapped__(tmp_path))
    assert found[0] != found[1]
