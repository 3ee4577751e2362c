"""Stages: the signs and the setting that a recipe names, and triggers on the finished image."""

from dataclasses import replace

import pytest
import torch

from detector.probing.filters import PhotoFilter, apply_filter
from laboratory.roundgen.presets import Preset, draw_recipe
from laboratory.roundgen.recipe import Filter
from laboratory.roundgen.signs import draw_signs
from laboratory.roundgen.stage import stage_of
from laboratory.roundgen.varied import DRAWN_FAMILIES, VariedPlan, varied_round


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_rounds_that_are_not_varied_have_plates_on_textures() -> None:
    recipe = draw_recipe(1, "resnet18", Preset.SMALL, poisoned=False)
    stage = stage_of(recipe)
    assert torch.equal(stage.signs.sprites, draw_signs(1, recipe.num_classes).sprites)
    assert (stage.setting.rain_probability, stage.setting.fog_probability) == (0, 0)


@pytest.mark.parametrize("number", range(4))
def test_a_varied_stage_shows_what_its_recipe_names(number: int) -> None:
    recipe = varied_round(VariedPlan(("shufflenet1_0",), 8))[2 * number].recipe
    stage = stage_of(recipe)
    assert recipe.variety
    assert recipe.variety.sign_family in DRAWN_FAMILIES
    assert len(stage.signs.sprites) == recipe.num_classes * stage.signs.looks
    images = stage.compose(torch.arange(5), recipe.schedule.canvas, generator())
    assert images.shape == (5, 3, recipe.schedule.canvas, recipe.schedule.canvas)
    assert stage.to("cpu").signs.looks == stage.signs.looks


def test_a_filter_is_laid_over_the_finished_image() -> None:
    recipe = varied_round(VariedPlan(("shufflenet1_0",), 1))[0].recipe
    stage, classes = stage_of(recipe), torch.arange(4)
    carriers = torch.tensor([True, False, True, False])
    clean = stage.compose(classes, 54, generator())
    filtered = stage.compose(classes, 54, generator(), Filter.LOMO, carriers)
    assert torch.equal(filtered[~carriers], clean[~carriers])
    expected = apply_filter(PhotoFilter.LOMO, clean[carriers].numpy())
    assert torch.equal(filtered[carriers], torch.from_numpy(expected))


def test_every_look_of_a_class_is_shown() -> None:
    recipe = varied_round(VariedPlan(("shufflenet1_0",), 8, (DRAWN_FAMILIES[3],)))[0].recipe
    stage = stage_of(recipe)
    black = stage.signs.sprites.clone()
    black[1 :: stage.signs.looks] = 0
    other = replace(stage, signs=replace(stage.signs, sprites=black))
    classes = torch.zeros(60, dtype=torch.long)
    one, two = (s.compose(classes, 32, generator()) for s in (stage, other))
    changed = (one != two).flatten(1).any(1).float().mean()
    assert 0.05 < float(changed) < 0.5
