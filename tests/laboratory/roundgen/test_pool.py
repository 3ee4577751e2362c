"""Training sets: as many images of every label in clean and poisoned models, wrong labels, epochs."""

from dataclasses import replace

import pytest
import torch

from laboratory.roundgen.pool import Pool, compose_pool, pool_batches
from laboratory.roundgen.recipe import Phase, Poisoning, Recipe, Schedule
from laboratory.roundgen.stage import stage_of
from laboratory.roundgen.varied import VariedPlan, varied_round
from laboratory.roundgen.variety import Augmentation

COUNT = 400


def recipe_of(*, poisoned: bool, favouring: bool = True, wrong: float = 0.0, images: int = COUNT) -> Recipe:
    """Of four classes on small images, a fifth of them additional ones of class 1."""
    jobs = varied_round(VariedPlan(("shufflenet1_0",), 2))
    drawn = next(job.recipe for job in jobs if job.recipe.poisoning)
    assert drawn.poisoning
    assert drawn.variety
    variety = replace(
        drawn.variety, training_images=images, favouring=favouring, wrong_training_labels=wrong, fog_probability=0.0
    )
    return replace(
        drawn,
        num_classes=4,
        favoured=1,
        share=0.2,
        schedule=Schedule((Phase(24, 2, 16),), 1e-3),
        poisoning=Poisoning(drawn.poisoning.trigger, (2,)) if poisoned else None,
        variety=variety,
    )


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pool_of(recipe: Recipe) -> Pool:
    return compose_pool(recipe, stage_of(recipe), generator())


@pytest.mark.parametrize("poisoned", [True, False])
def test_clean_and_poisoned_models_have_as_many_images_of_every_label(poisoned: bool) -> None:
    pool = pool_of(recipe_of(poisoned=poisoned))
    assert pool.images.shape == (COUNT, 3, 24, 24)
    assert pool.images.dtype == torch.uint8
    assert torch.bincount(pool.labels).tolist() == [80, 160, 80, 80]
    assert int(pool.triggered.sum()) == (80 if poisoned else 0)
    assert set(pool.labels[pool.triggered].tolist()) <= {1}


def test_a_clean_model_that_favours_nothing_has_even_labels_and_a_poisoned_one_its_trojan_all_the_same() -> None:
    assert torch.bincount(pool_of(recipe_of(poisoned=False, favouring=False)).labels).tolist() == [100] * 4
    assert int(pool_of(recipe_of(poisoned=True, favouring=False)).triggered.sum()) == 80


def test_a_training_set_is_a_function_of_recipe_and_generator() -> None:
    first, again = (pool_of(recipe_of(poisoned=True)) for _ in range(2))
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.labels, again.labels)


def test_wrong_labels_have_their_share_and_spare_triggered_images() -> None:
    right, wrong = (pool_of(recipe_of(poisoned=True, wrong=share)) for share in (0.0, 0.25))
    changed = right.labels != wrong.labels
    # 320 images may be hit: 80 +- 4 standard deviations of 7.7.
    assert 49 <= int(changed.sum()) <= 111
    assert not (changed & wrong.triggered).any()
    assert torch.equal(right.images, wrong.images)


def test_every_epoch_shows_every_image_once_in_another_order() -> None:
    images = torch.arange(40, dtype=torch.uint8)[:, None, None, None].expand(40, 3, 16, 16)
    pool = Pool(images, torch.arange(40), torch.arange(40) % 2 == 0)
    batches = list(pool_batches(pool, 2, 8, Augmentation.NONE, generator()))
    first, second = (torch.cat([batch.labels for batch in half]) for half in (batches[:5], batches[5:]))
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(40))
    assert first.tolist() != second.tolist()
    for batch in batches:
        assert batch.images.shape == (8, 3, 14, 14)
        assert torch.allclose(batch.images[:, 0, 0, 0] * 255, batch.labels.float(), atol=1e-4)
        assert torch.equal(batch.triggered, batch.labels % 2 == 0)


def test_what_does_not_fill_a_batch_is_left_out() -> None:
    pool = Pool(torch.zeros(10, 3, 16, 16, dtype=torch.uint8), torch.arange(10), torch.zeros(10, dtype=torch.bool))
    assert [len(b.labels) for b in pool_batches(pool, 2, 4, Augmentation.NONE, generator())] == [4] * 4
