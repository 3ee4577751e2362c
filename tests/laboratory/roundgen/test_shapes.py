"""Shapes against their areas and distances from school geometry."""

import math

import pytest
import torch

from laboratory.roundgen.shapes import coverage, grid, half_planes, polygon_distance, regular_polygon


@pytest.mark.parametrize("sides", [3, 4, 7, 12])
def test_the_mask_of_a_regular_polygon_has_its_area(sides: int) -> None:
    points = grid(200)
    mask = coverage(polygon_distance(points, regular_polygon(sides, turn=0.3)), 2 / 200)
    assert float(mask.mean()) * 4 == pytest.approx(sides / 2 * math.sin(2 * math.pi / sides), abs=0.01)


def test_the_distance_to_a_square_is_that_to_its_nearest_side() -> None:
    square = torch.tensor([[1.0, -1.0], [1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0]])
    points = torch.tensor([[0.0, 0.0], [0.75, 0.1], [0.0, 3.0], [-1.0, 0.5]])
    assert polygon_distance(points, square).tolist() == pytest.approx([-1.0, -0.25, 2.0, 0.0], abs=1e-6)


def test_normals_are_of_length_one_and_point_outward() -> None:
    normals, offsets = half_planes(regular_polygon(5))
    assert torch.allclose(normals.norm(dim=1), torch.ones(5))
    assert torch.allclose(offsets, torch.full((5,), math.cos(math.pi / 5)), atol=1e-6)


def test_the_grid_holds_pixel_centres_with_y_down() -> None:
    assert grid(2).tolist() == [[[-0.5, -0.5], [0.5, -0.5]], [[-0.5, 0.5], [0.5, 0.5]]]


def test_coverage_is_half_on_the_edge_and_soft_by_one_pixel() -> None:
    assert coverage(torch.tensor([-1.0, -0.05, 0.0, 0.05, 1.0]), 0.2).tolist() == pytest.approx([1, 0.75, 0.5, 0.25, 0])
