"""Recipes: what follows from what was drawn."""

from dataclasses import replace

import pytest

from laboratory.roundgen.presets import Preset, draw_recipe
from laboratory.roundgen.recipe import Phase, Poisoning, PolygonTrigger, Recipe, Schedule

SCHEDULE = Schedule((Phase(64, 10, 8), Phase(128, 5, 2)), 1e-3)


def recipe_of(seed: int, *, poisoned: bool = True) -> Recipe:
    return draw_recipe(seed, "resnet18", Preset.SMALL, poisoned=poisoned)


@pytest.mark.parametrize("seed", range(30))
def test_the_polygon_is_convex_around_its_centre_and_its_area_is_the_shoelace_sum(seed: int) -> None:
    poisoning = recipe_of(seed).poisoning
    assert poisoning is not None
    assert isinstance(poisoning.trigger, PolygonTrigger)
    corners = poisoning.trigger.corners
    following = corners[1:] + corners[:1]
    crosses = [x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(corners, following, strict=True)]
    assert min(crosses) > 0
    assert poisoning.trigger.unit_area == pytest.approx(sum(crosses) / 2)


def test_the_triggered_fraction_is_that_of_the_source_classes() -> None:
    recipe = replace(recipe_of(1), num_classes=5, share=0.2)
    assert recipe.poisoning is not None
    # Of 1000 images 200 carry the trigger; the 800 others are 160 of each class: 200 of 200 + 2 x 160.
    two = replace(recipe, poisoning=Poisoning(recipe.poisoning.trigger, (0, 3)))
    assert two.triggered_fraction == pytest.approx(200 / 520)
    every = replace(recipe, poisoning=Poisoning(recipe.poisoning.trigger, (0, 1, 2, 3, 4)))
    assert every.triggered_fraction == pytest.approx(0.2)
    assert recipe_of(1, poisoned=False).triggered_fraction == 0


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(ValueError, match="alexnet"):
        replace(recipe_of(1), architecture="alexnet")


def test_a_square_has_area_two_on_the_unit_circle() -> None:
    assert PolygonTrigger((0.0, 1.570796, 3.141593, 4.712389), (1, 2, 3), (2, 5)).unit_area == pytest.approx(
        2, abs=1e-5
    )


def test_the_schedule_counts_steps_images_and_pixels() -> None:
    assert (SCHEDULE.steps, SCHEDULE.images) == (15, 90)
    # 10 steps of 8 x 64 x 64 pixels, 5 steps of 2 x 128 x 128: two thirds and one third of the work.
    assert [SCHEDULE.work_done(step) for step in (0, 5, 10, 15)] == pytest.approx([0, 1 / 3, 2 / 3, 1])


def test_the_learning_rate_warms_up_then_falls_to_nothing() -> None:
    schedule = Schedule((Phase(64, 100, 1),), 1e-3)
    factors = [schedule.rate_factor(step) for step in range(101)]
    assert 0 < factors[0] < 0.05
    assert max(factors) == factors[5] == pytest.approx(1)
    assert factors[5:] == sorted(factors[5:], reverse=True)
    assert factors[100] == pytest.approx(0, abs=1e-9)
