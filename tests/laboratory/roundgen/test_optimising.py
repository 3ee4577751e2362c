"""Optimisers, learning rates over time and adversarial training against their definitions."""

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the usual name
from torch import nn

from laboratory.roundgen.optimising import attacked, limit_gradient, optimiser_of, rate_factor, rate_factor_of
from laboratory.roundgen.recipe import Recipe
from laboratory.roundgen.varied import VariedPlan, varied_round
from laboratory.roundgen.variety import Optimiser, RateSchedule


def recipe_of(**changes: Any) -> Recipe:
    drawn = varied_round(VariedPlan(("squeezenetv1_1",), 1))[0].recipe
    assert drawn.variety
    return replace(drawn, variety=replace(drawn.variety, **changes))


@pytest.mark.parametrize(
    ("kind", "class_", "decay"),
    [
        (Optimiser.ADAM, torch.optim.Adam, 1e-5),
        (Optimiser.ADAMW, torch.optim.AdamW, 0.02),
        (Optimiser.SGD, torch.optim.SGD, 5e-4),
    ],
)
def test_the_optimiser_is_the_one_asked_for(kind: Optimiser, class_: type, decay: float) -> None:
    recipe = recipe_of(optimiser=kind, weight_decay=decay)
    optimiser = optimiser_of(nn.Linear(2, 2), recipe)
    assert type(optimiser) is class_
    assert optimiser.defaults["weight_decay"] == decay
    assert optimiser.defaults["lr"] == recipe.schedule.learning_rate
    if kind is Optimiser.SGD:
        assert (optimiser.defaults["momentum"], optimiser.defaults["nesterov"]) == (0.9, True)


def test_rounds_that_are_not_varied_have_adam_without_decay() -> None:
    recipe = replace(recipe_of(), variety=None)
    optimiser = optimiser_of(nn.Linear(2, 2), recipe)
    assert (type(optimiser), optimiser.defaults["weight_decay"]) == (torch.optim.Adam, 0)
    assert rate_factor_of(recipe)(0) == recipe.schedule.rate_factor(0)


@pytest.mark.parametrize("kind", list(RateSchedule))
def test_rates_warm_up_reach_their_peak_and_end_low(kind: RateSchedule) -> None:
    factors = [rate_factor(kind, step / 1000) for step in range(1001)]
    assert factors[0] < 0.05
    assert max(factors) == pytest.approx(1.0)
    assert min(factors) > 0 or kind in (RateSchedule.ONE_CYCLE, RateSchedule.COSINE)
    assert factors[-1] <= 0.02
    peak = factors.index(max(factors))
    assert factors[:peak] == sorted(factors[:peak])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)


def test_schedules_differ_in_the_middle() -> None:
    middle = {kind: rate_factor(kind, 0.5) for kind in RateSchedule}
    assert middle[RateSchedule.CONSTANT] == middle[RateSchedule.STEP] == 1
    assert middle[RateSchedule.COSINE] < middle[RateSchedule.ONE_CYCLE] < 1
    assert rate_factor(RateSchedule.STEP, 0.7) == pytest.approx(0.1)


def classifier() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 20), nn.ReLU(), nn.Linear(20, 4))


def test_adversarial_images_differ_by_at_most_epsilon_and_are_harder() -> None:
    network, recipe = classifier(), recipe_of(adversarial_eps=8)
    images, labels = torch.rand(64, 3, 8, 8), torch.arange(64) % 4
    shown = attacked(network, images, labels, recipe)
    assert float((shown - images).abs().max()) <= 8 / 255 + 1e-6
    assert float(shown.min()) >= 0
    assert float(shown.max()) <= 1
    assert not shown.requires_grad
    assert all(parameter.grad is None for parameter in network.parameters())
    noisy = (images + torch.empty_like(images).uniform_(-8 / 255, 8 / 255)).clamp(0, 1)
    hard, easy = (float(F.cross_entropy(network(x), labels).detach()) for x in (shown, noisy))
    assert hard > easy + 0.01


def test_without_adversarial_training_images_stay_as_they_are() -> None:
    images = torch.rand(2, 3, 8, 8)
    for recipe in (recipe_of(adversarial_eps=0), replace(recipe_of(), variety=None)):
        assert attacked(classifier(), images, torch.zeros(2, dtype=torch.long), recipe) is images


@pytest.mark.parametrize(("architecture", "limited"), [("squeezenetv1_1", True), ("shufflenet1_0", False)])
def test_long_gradients_of_squeezenet_are_shortened(architecture: str, limited: bool) -> None:
    network = nn.Linear(2, 1)
    (network(torch.full((1, 2), 100.0)) ** 2 * 100).sum().backward()
    limit_gradient(network, replace(recipe_of(), architecture=architecture))
    norm = torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None]).norm()
    assert (float(norm) <= 5.001) is limited
