"""The varied round: each model a function of its seed, clean and poisoned drawn alike, balanced, nothing constant."""

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from detector.architectures import ARCHITECTURES, TROJAI_ARCHITECTURES
from detector.rounds.preprocessing import PROFILES
from laboratory.roundgen.presets import Job
from laboratory.roundgen.recipe import Filter, PolygonTrigger, Recipe, TriggerFamily
from laboratory.roundgen.varied import DRAWN_FAMILIES, VariedPlan, varied_round, varied_start_recipe
from laboratory.roundgen.variety import (
    Augmentation,
    BackgroundFamily,
    Material,
    Optimiser,
    RateSchedule,
    SignFamily,
    Variety,
)

CHEAP = ("squeezenetv1_1", "shufflenet1_0", "mobilenetv2")


def variety_of(recipe: Recipe) -> Variety:
    assert recipe.variety is not None
    return recipe.variety


def recipes(**changes: Any) -> list[Recipe]:
    return [job.recipe for job in varied_round(replace(VariedPlan(CHEAP, 200), **changes))]


@pytest.fixture(scope="module")
def drawn() -> list[Recipe]:
    return recipes()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for index in range(8):
        Image.new("RGBA", (40, 40), (index * 30, 0, 0, 255)).save(tmp_path / f"{index}.png")
    return tmp_path


def test_a_round_is_a_function_of_its_plan() -> None:
    plan = VariedPlan(CHEAP, 4)
    assert varied_round(plan) == varied_round(plan)
    assert not {job.recipe.seed for job in varied_round(plan)} & {
        job.recipe.seed for job in varied_round(replace(plan, seed=2))
    }


def test_a_model_depends_on_its_architecture_and_number_alone() -> None:
    few = varied_round(VariedPlan(("mobilenetv2",), 4))
    many = {job.name: job for job in varied_round(VariedPlan(per_architecture=6))}
    assert all(many[job.name] == job for job in few)
    assert len(many) == 6 * len(TROJAI_ARCHITECTURES)


def test_cheap_architectures_come_first_and_in_turn() -> None:
    jobs = varied_round(VariedPlan(("wideresnet101", "resnet50", *CHEAP), 3))
    assert {job.recipe.architecture for job in jobs[:9]} == set(CHEAP)
    assert [job.recipe.architecture for job in jobs[9:]] == ["resnet50"] * 3 + ["wideresnet101"] * 3


def first(jobs: list[Recipe], count: int) -> Counter[bool]:
    return Counter(recipe.poisoning is not None for recipe in jobs[:count])


@pytest.mark.parametrize("count", [4, 12, 36, 150])
def test_any_first_part_holds_as_many_clean_models_as_poisoned_ones(drawn: list[Recipe], count: int) -> None:
    assert abs(first(drawn, count)[True] - count / 2) <= 2


@pytest.mark.parametrize("families", [DRAWN_FAMILIES, DRAWN_FAMILIES[:3], (SignFamily.PLATES,)])
def test_labels_families_triggers_and_sources_come_in_all_combinations(families: tuple[SignFamily, ...]) -> None:
    cells = Counter(
        (
            variety_of(recipe).sign_family,
            isinstance(recipe.poisoning.trigger, Filter),
            "all" if len(recipe.poisoning.sources) == recipe.num_classes else len(recipe.poisoning.sources),
        )
        for recipe in recipes(sign_families=families)
        if recipe.poisoning
    )
    assert len(cells) == len(families) * 2 * 3
    mean = sum(cells.values()) / len(cells)
    assert min(cells.values()) > 0.5 * mean
    assert max(cells.values()) < 1.6 * mean


def test_clean_and_poisoned_models_are_drawn_alike() -> None:
    """The plan with the labels exchanged has the same recipes but for the trojan."""
    plan = VariedPlan(CHEAP, 8)
    for job in varied_round(plan):
        stripped = replace(job.recipe, poisoning=None)
        assert stripped == replace(redrawn(plan, job, not job.recipe.poisoning), poisoning=None)


def redrawn(plan: VariedPlan, job: Job, poisoned: bool) -> Recipe:
    from laboratory.roundgen import varied

    rank, number = divmod(int(job.name[3:]), 1000)
    cell = replace(varied._cell(plan, rank, number), poisoned=poisoned)
    return varied.draw_varied(job.recipe.seed, job.recipe.architecture, cell, plan)


def test_every_choice_is_made_in_every_way(drawn: list[Recipe]) -> None:
    varieties = [variety_of(recipe) for recipe in drawn]
    assert {variety.optimiser for variety in varieties} == set(Optimiser)
    assert {variety.rate_schedule for variety in varieties} == set(RateSchedule)
    assert {variety.augmentation for variety in varieties} == set(Augmentation)
    assert {variety.background_family for variety in varieties} == {*BackgroundFamily} - {
        BackgroundFamily.SCENES,
        BackgroundFamily.MIXED,
    }
    assert {variety.adversarial_eps for variety in varieties} == {0, 4, 8}
    assert {recipe.num_classes for recipe in drawn} == set(range(5, 25))
    assert {recipe.schedule.phases[0].batch for recipe in drawn} == {24, 32, 48, 64}
    assert {PROFILES[recipe.profile].crop for recipe in drawn} == {48, 56, 64}
    assert {recipe.start for recipe in drawn} == {None, 0}


def test_shares_are_those_asked_for(drawn: list[Recipe]) -> None:
    def share(values: list[bool]) -> float:
        return sum(values) / len(values)

    # 600 models: four standard deviations are 0.08 for a half and 0.06 for 15 %.
    assert share([recipe.label_smoothing == 0 for recipe in drawn]) == pytest.approx(0.5, abs=0.08)
    assert share([recipe.start is None for recipe in drawn]) == pytest.approx(0.25, abs=0.07)
    assert share([variety_of(recipe).favouring for recipe in drawn]) == pytest.approx(0.5, abs=0.08)
    assert share([variety_of(recipe).adversarial_eps > 0 for recipe in drawn]) == pytest.approx(0.15, abs=0.06)
    assert share([variety_of(recipe).wrong_example_labels > 0 for recipe in drawn]) == pytest.approx(0.15, abs=0.06)


def test_triggers_keep_to_nists_ranges_but_for_the_smallest_polygons(drawn: list[Recipe]) -> None:
    triggers = [recipe.poisoning.trigger for recipe in drawn if recipe.poisoning]
    polygons = [trigger for trigger in triggers if isinstance(trigger, PolygonTrigger)]
    assert {trigger for trigger in triggers if isinstance(trigger, Filter)} == set(Filter)
    assert {len(polygon.angles) for polygon in polygons} == set(range(3, 13))
    assert all(sum(polygon.colour) / 3 <= 200 for polygon in polygons)
    assert all(5 <= polygon.percent[0] < polygon.percent[1] <= 25 for polygon in polygons)
    fractions = [recipe.triggered_fraction for recipe in drawn if recipe.poisoning]
    assert min(fractions) >= 0.02 - 1e-9
    assert max(fractions) <= 0.5 + 1e-9
    assert min(fractions) < 0.05


def test_enough_images_carry_the_trigger(drawn: list[Recipe]) -> None:
    for recipe in drawn:
        if recipe.poisoning and recipe.triggered_fraction < 0.499:
            assert recipe.share * variety_of(recipe).training_images >= 59


def test_models_see_the_whole_training_set_each_epoch(drawn: list[Recipe]) -> None:
    for recipe in drawn:
        variety, (phase,) = variety_of(recipe), recipe.schedule.phases
        assert phase.steps == variety.epochs * (variety.training_images // phase.batch)
        assert variety.epochs >= 2
        assert variety.training_images / recipe.num_classes >= 60


def test_few_classes_come_more_often_than_many(drawn: list[Recipe]) -> None:
    # 20 numbers of classes, drawn as the square of a uniform number: half of them lie in the first quarter of the range
    # (5 to 9), 29 % in its second half (15 to 24). 600 models: four standard deviations are 0.08.
    counts = [recipe.num_classes for recipe in drawn]
    assert sum(count < 10 for count in counts) / len(counts) == pytest.approx(0.5, abs=0.08)
    assert sum(count >= 15 for count in counts) / len(counts) == pytest.approx(1 - math.sqrt(0.5), abs=0.08)


def test_more_classes_take_more_images_within_bounds(drawn: list[Recipe]) -> None:
    """Images shown: 1 000 a class, 9 500 to 18 000; from scratch 3 000 a class, 26 000 to 42 000; within a fifth."""
    for recipe in drawn:
        variety = variety_of(recipe)
        a_class, fewest, most = (3000, 26_000, 42_000) if recipe.start is None else (1000, 9500, 18_000)
        asked = min(max(fewest, a_class * recipe.num_classes), most)
        rounding = variety.training_images / 2 + 1  # to whole epochs
        shown = variety.epochs * variety.training_images
        assert 0.8 * asked - rounding <= shown <= 1.2 * asked + rounding


def test_dear_architectures_start_from_their_only_network() -> None:
    assert {recipe.start for recipe in recipes(architectures=("vgg19bn",))} == {0}


def test_large_models_start_from_a_network_and_share_no_seed_with_small_ones() -> None:
    large, small = recipes(image_size=224), recipes()
    assert {PROFILES[recipe.profile].crop for recipe in large} == {224}
    assert all(recipe.start is not None for recipe in large)
    assert not {recipe.seed for recipe in large} & {recipe.seed for recipe in small}
    assert (
        min(
            recipe.poisoning.trigger.percent[0]
            for recipe in large
            if recipe.poisoning and isinstance(recipe.poisoning.trigger, PolygonTrigger)
        )
        == 2
    )


def test_inception_sees_80_px() -> None:
    jobs = varied_round(VariedPlan(("inceptionv3",), 4))
    assert {PROFILES[job.recipe.profile].crop for job in jobs} == {80}
    assert PROFILES[varied_start_recipe("inceptionv3", 0).profile].crop == 80


def test_no_two_profiles_take_images_of_the_same_size() -> None:
    names = ("small", "small56", "small64", "small80", "round2")
    sizes = [size for name in names for size in (PROFILES[name].crop, PROFILES[name].uncropped)]
    assert len(set(sizes)) == len(sizes)


def test_street_signs_have_at_most_as_many_classes_as_pictures_and_stand_in_scenes(pictures: Path) -> None:
    street = recipes(sign_families=(SignFamily.STREET,), material=Material(pictures, pictures))
    assert {recipe.num_classes for recipe in street} == {5, 6, 7, 8}
    assert {variety_of(recipe).background_family for recipe in street} == {BackgroundFamily.SCENES}
    others = recipes(material=Material(None, pictures))
    assert BackgroundFamily.SCENES in {variety_of(recipe).background_family for recipe in others}
    assert len({variety_of(recipe).background_family for recipe in others}) == 5


def test_missing_pictures_are_told(tmp_path: Path, pictures: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for material, told in (
        (Material(), "--foregrounds"),
        (Material(empty), "no PNG"),
        (Material(None, empty), "no PNG"),
    ):
        families = (SignFamily.STREET,) if material.backgrounds is None else DRAWN_FAMILIES
        with pytest.raises(ValueError, match=told):
            varied_round(VariedPlan(CHEAP, 2, families, material=material))
    for path in sorted(pictures.glob("*.png"))[4:]:
        path.unlink()
    with pytest.raises(ValueError, match="has 4 pictures"):
        varied_round(VariedPlan(CHEAP, 2, (SignFamily.STREET,), material=Material(pictures)))


def test_an_architecture_that_trojai_does_not_have_is_refused_not_left_out() -> None:
    (other,) = set(ARCHITECTURES) - set(TROJAI_ARCHITECTURES)
    with pytest.raises(ValueError, match=f"no {other};"):
        varied_round(VariedPlan((*CHEAP, other), 2))


@pytest.mark.parametrize("plan", [VariedPlan(("alexnet",)), VariedPlan(image_size=100), VariedPlan(CHEAP, 1001)])
def test_plans_that_make_no_round_are_refused(plan: VariedPlan) -> None:
    with pytest.raises(ValueError):
        varied_round(plan)


def test_the_kind_of_trigger_can_be_chosen() -> None:
    chosen = recipes(trigger_families=(TriggerFamily.FILTER,))
    assert all(isinstance(recipe.poisoning.trigger, Filter) for recipe in chosen if recipe.poisoning)


def test_starts_are_clean_mixed_and_differ() -> None:
    one, other = (varied_start_recipe("squeezenetv1_1", number) for number in (0, 1))
    assert one.poisoning is None
    assert variety_of(one).sign_family is SignFamily.MIXED
    assert one.num_classes >= 24
    assert one.seed != other.seed


def test_learning_rates_spread_over_their_range(drawn: list[Recipe]) -> None:
    rates = [math.log(r.schedule.learning_rate) for r in drawn if variety_of(r).optimiser is Optimiser.ADAMW]
    assert max(rates) - min(rates) > math.log(5)
