"""Presets: functions of their seed, within NIST's ranges, clean and poisoned models drawn alike."""

import math
from collections import Counter
from dataclasses import replace

import pytest

from detector.architectures import TROJAI_ARCHITECTURES
from laboratory.roundgen.presets import Plan, Preset, default_plan, draw_recipe, round_of, start_recipe
from laboratory.roundgen.recipe import Filter, PolygonTrigger, Recipe, TriggerFamily
from laboratory.roundgen.training import Bar


def recipes(preset: Preset, count: int = 300) -> list[Recipe]:
    return [draw_recipe(seed, "resnet18", preset, poisoned=True) for seed in range(count)]


@pytest.mark.parametrize("preset", list(Preset))
def test_a_recipe_is_a_function_of_its_seed(preset: Preset) -> None:
    first, again, other = (draw_recipe(seed, "resnet50", preset, poisoned=True) for seed in (5, 5, 6))
    assert first == again
    assert first != replace(other, seed=5)


@pytest.mark.parametrize("preset", list(Preset))
@pytest.mark.parametrize("seed", range(20))
def test_clean_and_poisoned_recipes_of_a_seed_differ_in_the_trojan_only(preset: Preset, seed: int) -> None:
    poisoned, clean = (draw_recipe(seed, "resnet18", preset, poisoned=flag) for flag in (True, False))
    assert replace(poisoned, poisoning=None) == clean


def test_round_2_keeps_to_nists_ranges_and_reaches_their_ends() -> None:
    drawn = recipes(Preset.ROUND2, 1000)
    assert {recipe.num_classes for recipe in drawn} == {*range(5, 16), *range(15, 26)}
    assert {recipe.examples_per_class for recipe in drawn} == {10, 20}
    assert min(recipe.foreground_percent[0] for recipe in drawn) == 20
    assert max(recipe.foreground_percent[1] for recipe in drawn) == 79
    triggers = [recipe.poisoning.trigger for recipe in drawn if recipe.poisoning]
    assert {trigger for trigger in triggers if isinstance(trigger, Filter)} == set(Filter)
    polygons = [trigger for trigger in triggers if isinstance(trigger, PolygonTrigger)]
    assert {len(polygon.angles) for polygon in polygons} == set(range(3, 13))
    assert all(sum(polygon.colour) / 3 <= 200 for polygon in polygons)
    assert min(polygon.percent[0] for polygon in polygons) == 2
    assert max(polygon.percent[1] for polygon in polygons) == 25
    assert 400 < len(polygons) < 600  # 500 +- 6 standard deviations


def test_round_2_has_one_two_or_all_classes_as_sources_and_the_target_among_them_only_if_all_are() -> None:
    kinds: Counter[int | str] = Counter()
    for recipe in recipes(Preset.ROUND2):
        assert recipe.poisoning is not None
        sources = recipe.poisoning.sources
        everything = len(sources) == recipe.num_classes
        assert (recipe.favoured in sources) is everything
        assert sources == tuple(sorted(set(sources)))
        kinds[len(sources) if not everything else "all"] += 1
    assert set(kinds) == {1, 2, "all"}
    assert min(kinds.values()) > 60  # 100 +- 5 standard deviations


def test_the_triggered_fractions_are_nists() -> None:
    fractions = [recipe.triggered_fraction for recipe in recipes(Preset.ROUND2)]
    assert all(math.isclose(100 * fraction, round(100 * fraction)) for fraction in fractions)
    assert [min(fractions), max(fractions)] == pytest.approx([0.01, 0.5])
    for recipe in recipes(Preset.ROUND1):
        assert 0.05 <= recipe.triggered_fraction <= 0.15 or 0.45 <= recipe.triggered_fraction <= 0.55


def test_round_1_is_five_classes_to_one_with_polygons_of_two_sizes() -> None:
    for recipe in recipes(Preset.ROUND1, 100):
        assert recipe.poisoning is not None
        assert isinstance(recipe.poisoning.trigger, PolygonTrigger)
        assert (recipe.num_classes, recipe.poisoning.sources) == (5, (0, 1, 2, 3, 4))
        assert recipe.poisoning.trigger.percent in ((2, 10), (16, 24))
        assert (recipe.profile, recipe.schedule.canvas, recipe.examples_per_class) == ("round1", 256, 100)


def test_a_round_takes_architectures_in_turn_half_of_each_poisoned() -> None:
    jobs = round_of(Plan(Preset.SMALL, ("resnet18", "googlenet"), 6, (TriggerFamily.POLYGON,), 3))
    assert [job.name for job in jobs] == [f"id-{index:08d}" for index in range(12)]
    assert [job.recipe.architecture for job in jobs] == ["resnet18", "googlenet"] * 6
    poisoned = Counter(job.recipe.architecture for job in jobs if job.recipe.poisoning)
    assert poisoned == {"resnet18": 3, "googlenet": 3}
    assert len({job.recipe.seed for job in jobs}) == 12


def test_the_family_of_triggers_can_be_chosen() -> None:
    jobs = round_of(replace(default_plan(Preset.SMALL), families=(TriggerFamily.FILTER,), per_architecture=4))
    assert all(isinstance(job.recipe.poisoning.trigger, Filter) for job in jobs if job.recipe.poisoning)


def test_rounds_of_different_seeds_share_no_model() -> None:
    first, second = (round_of(replace(default_plan(Preset.SMALL), seed=seed)) for seed in (1, 2))
    assert not {job.recipe.seed for job in first} & {job.recipe.seed for job in second}


def test_round_2_is_over_all_architectures() -> None:
    assert {job.recipe.architecture for job in round_of(default_plan(Preset.ROUND2))} == set(TROJAI_ARCHITECTURES)


def test_small_models_of_an_architecture_share_schedule_and_bar_and_start_from_one_of_two() -> None:
    jobs = [job for job in round_of(default_plan(Preset.SMALL)) if job.recipe.architecture == "resnet18"]
    assert len(jobs) == 40
    assert len({job.recipe.schedule for job in jobs}) == 1
    assert {job.bar for job in jobs} == {Bar(0.97, 0.9, 500)}
    assert {job.recipe.start for job in jobs} == {0, 1}


def test_starts_are_clean_and_differ() -> None:
    first, second = (start_recipe("resnet18", number) for number in (0, 1))
    assert first.poisoning is None
    assert first.share == 0
    assert first.seed != second.seed
