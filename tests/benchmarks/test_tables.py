"""What the tables say about measurements made up by hand."""

import pytest

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
    ("thetas", "basis", "wall", "told"),
    [
        ([{"num_pruned_models": 15, "num_images": 10}], "measured", 7.94, "15 x 10, 7.9"),
        ([{"num_pruned_models": 5, "num_images": 10}], "measured", 8.06, "5 x 10, 8.1 LATE"),
        (None, "base_rate", 7.0, "base rate, 7.0"),
    ],
)
def test_cells_say_what_answered_and_whether_in_time(
    thetas: list[dict[str, int]] | None, basis: str, wall: float, told: str
) -> None:
    assert cell(Detection(wall, wall, 1, {"thetas": thetas, "basis": basis}), 8) == told
