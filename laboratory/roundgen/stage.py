"""What the images of a recipe are composed of: its signs, and where they stand."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from laboratory.roundgen.background_families import backgrounds_of_family
from laboratory.roundgen.recipe import Recipe, Trigger
from laboratory.roundgen.scenes import Setting, backgrounds, compose
from laboratory.roundgen.sign_families import signs_of_family
from laboratory.roundgen.signs import Signs, draw_signs


@dataclass(frozen=True)
class Stage:
    """Signs of one model, the range of their size (per cent of the image's area), and their setting."""

    signs: Signs
    foreground_percent: tuple[int, int]
    setting: Setting

    def to(self, device: torch.device | str) -> Stage:
        """The same stage on another device."""
        return replace(self, signs=self.signs.to(device))

    def compose(
        self,
        classes: Tensor,
        canvas: int,
        generator: torch.Generator,
        trigger: Trigger | None = None,
        triggered: Tensor | None = None,
    ) -> Tensor:
        """Images, N x 3 x canvas x canvas in [0, 1]; see `laboratory.roundgen.scenes.compose`."""
        size, setting = self.foreground_percent, self.setting
        return compose(self.signs, classes, size, canvas, generator, trigger, triggered, setting)


def stage_of(recipe: Recipe) -> Stage:
    """The stage of a recipe, on the CPU.

    Raises
    ------
    ValueError
        If its families need pictures that are not there.
    """
    variety = recipe.variety
    if variety is None:
        return Stage(draw_signs(recipe.seed, recipe.num_classes), recipe.foreground_percent, Setting(backgrounds))
    material = variety.material
    setting = Setting(
        backgrounds_of_family(variety.background_family, recipe.seed, recipe.schedule.canvas, material),
        math.radians(variety.turn_degrees),
        variety.perspective,
        variety.rain_probability,
        variety.fog_probability,
    )
    signs = signs_of_family(variety.sign_family, recipe.seed, recipe.num_classes, material)
    return Stage(signs, recipe.foreground_percent, setting)
