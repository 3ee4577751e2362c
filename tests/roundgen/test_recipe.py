"""Recipes: functions of their seed, within NIST's ranges, equal for clean and poisoned models but for the trojan."""

from dataclasses import replace

import pytest

from detector.roundgen.recipe import Phase, Poisoning, PolygonTrigger, Recipe, Schedule, draw_recipe

SCHEDULE = Schedule((Phase(64, 10, 8), Phase(128, 5, 2)), 1e-3)


def recipe_of(seed: int, *, poisoned: bool = True, num_classes: int = 5) -> Recipe:
    return draw_recipe(seed, "resnet18", poisoned=poisoned, num_classes=num_classes, schedule=SCHEDULE)


def poisoning_of(seed: int) -> Poisoning:
    poisoning = recipe_of(seed).poisoning
    assert poisoning is not None
    return poisoning


def test_a_recipe_is_a_function_of_its_seed() -> None:
    assert recipe_of(5) == recipe_of(5)
    assert recipe_of(5) != replace(recipe_of(6), seed=5)


@pytest.mark.parametrize("seed", range(20))
def test_clean_and_poisoned_recipes_of_a_seed_differ_in_the_trojan_only(seed: int) -> None:
    assert replace(recipe_of(seed), poisoning=None) == recipe_of(seed, poisoned=False)


@pytest.mark.parametrize("seed", range(100))
def test_triggers_are_within_the_ranges_of_round_2(seed: int) -> None:
    poisoning = poisoning_of(seed)
    trigger = poisoning.trigger
    assert 3 <= len(trigger.angles) <= 12
    assert sum(trigger.colour) / 3 <= 200
    assert 2 <= trigger.percent[0] < trigger.percent[1] <= 25
    assert 0 <= poisoning.target < 5
    assert poisoning.sources == (0, 1, 2, 3, 4)
    assert 0.01 <= poisoning.fraction <= 0.5


def test_the_draw_reaches_all_side_counts_targets_and_both_ends_of_the_sizes() -> None:
    drawn = [poisoning_of(seed) for seed in range(400)]
    assert {len(p.trigger.angles) for p in drawn} == set(range(3, 13))
    assert {p.target for p in drawn} == set(range(5))
    assert min(p.trigger.percent[0] for p in drawn) == 2
    assert max(p.trigger.percent[1] for p in drawn) == 25


@pytest.mark.parametrize("seed", range(30))
def test_the_polygon_is_convex_around_its_centre_and_its_area_is_the_shoelace_sum(seed: int) -> None:
    trigger = poisoning_of(seed).trigger
    corners = trigger.corners
    following = corners[1:] + corners[:1]
    crosses = [x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(corners, following, strict=True)]
    assert min(crosses) > 0
    assert trigger.unit_area == pytest.approx(sum(crosses) / 2)


def test_the_triggered_share_of_the_target_label_is_the_fraction_times_the_classes() -> None:
    poisoning = replace(poisoning_of(1), fraction=0.1)
    assert replace(recipe_of(1), poisoning=poisoning).triggered_share == pytest.approx(0.5)
    assert recipe_of(1, poisoned=False).triggered_share == 0


def test_a_recipe_that_leaves_the_target_class_without_clean_images_is_refused() -> None:
    with pytest.raises(ValueError, match="100% of the target label"):
        replace(recipe_of(1), poisoning=replace(poisoning_of(1), fraction=0.2))


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
