"""A fixed set of training images, composed once and shown for several epochs, as NIST and the world train.

Images are kept as the 8-bit values that a file would hold. Everything is drawn from the generator that is passed in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from laboratory.roundgen.augmentation import augment
from laboratory.roundgen.batches import Batch, draw_sources, to_bytes
from laboratory.roundgen.recipe import Recipe
from laboratory.roundgen.stage import Stage
from laboratory.roundgen.variety import Augmentation, Variety

_CHUNK = 200  # images composed at a time at 54 px
_CHUNK_PIXELS = _CHUNK * 54 * 54


@dataclass(frozen=True)
class Pool:
    """`images` N x 3 x S x S uint8, not cropped; the `labels` (N) to learn; which are `triggered` (N, bool)."""

    images: Tensor
    labels: Tensor
    triggered: Tensor


def compose_pool(recipe: Recipe, stage: Stage, generator: torch.Generator) -> Pool:
    """The training set of a varied recipe: as many images of every class, and the share of the favoured one.

    In a poisoned model that share shows source classes with the trigger; in a clean one it shows the favoured class,
    or is spread over all classes if the model does not favour any.
    """
    variety, poisoning = _variety_of(recipe), recipe.poisoning
    count, device = variety.training_images, generator.device
    extra = round(recipe.share * count) if poisoning or variety.favouring else 0
    labels = torch.arange(count, device=device) % recipe.num_classes
    labels[count - extra :] = recipe.favoured
    shown, triggered = labels.clone(), torch.zeros(count, dtype=torch.bool, device=device)
    if poisoning:
        triggered[count - extra :] = True
        shown[count - extra :] = draw_sources(poisoning.sources, extra, generator)
    images = _compose(recipe, stage, shown, triggered, generator)
    return Pool(images, _mislabelled(labels, ~triggered, variety.wrong_training_labels, recipe, generator), triggered)


def _variety_of(recipe: Recipe) -> Variety:
    assert recipe.variety is not None, "only varied recipes have a fixed training set"
    return recipe.variety


def _compose(recipe: Recipe, stage: Stage, shown: Tensor, triggered: Tensor, generator: torch.Generator) -> Tensor:
    canvas, trigger = recipe.schedule.canvas, recipe.poisoning.trigger if recipe.poisoning else None
    size = max(8, _CHUNK_PIXELS // canvas**2)
    parts = [
        to_bytes(stage.compose(classes, canvas, generator, trigger, carriers))
        for classes, carriers in zip(torch.split(shown, size), torch.split(triggered, size), strict=True)
    ]
    return torch.cat(parts)


def _mislabelled(labels: Tensor, eligible: Tensor, share: float, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """The labels, `share` of the eligible ones replaced by another class."""
    hit = eligible & (torch.rand(len(labels), device=labels.device, generator=generator) < share)
    shift = torch.randint(1, recipe.num_classes, (len(labels),), device=labels.device, generator=generator)
    return torch.where(hit, (labels + shift) % recipe.num_classes, labels)


def pool_batches(
    pool: Pool, epochs: int, batch: int, augmentation: Augmentation, generator: torch.Generator
) -> Iterator[Batch]:
    """All batches of `epochs` epochs, in a new order each; what does not fill a batch is left out of that epoch."""
    for _ in range(epochs):
        order = torch.randperm(len(pool.labels), device=generator.device, generator=generator)
        for chosen in torch.split(order[: len(order) - len(order) % batch], batch):
            images = augment(pool.images[chosen].float() / 255, augmentation, generator)
            yield Batch(images, pool.labels[chosen], pool.triggered[chosen])
