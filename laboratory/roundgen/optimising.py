"""How weights are changed: optimisers, learning rates over time, and adversarial training."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import assert_never

import torch
import torch.nn.functional as F  # noqa: N812 - the usual name
from torch import Tensor, nn

from laboratory.roundgen.recipe import Recipe
from laboratory.roundgen.variety import Optimiser, RateSchedule

_MOMENTUM = 0.9
_WARM_UP, _ONE_CYCLE_WARM_UP = 0.03, 0.3  # share of the work
_STEPS_DOWN = (0.6, 0.85)  # after which share of the work the rate falls to a tenth
_DECAY = 0.15  # last share of the work, over which a constant rate falls
_ALPHA = 1.2  # of adversarial training, relative to epsilon: NIST's and the fast FGSM paper's (arXiv 2001.03994)
_LARGEST_GRADIENT = 5.0  # norm; SqueezeNet has no batch normalisation and diverges now and then


def optimiser_of(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The optimiser that the recipe asks for: Adam for rounds that are not varied."""
    rate, variety = recipe.schedule.learning_rate, recipe.variety
    if variety is None:
        return torch.optim.Adam(network.parameters(), rate)
    match variety.optimiser:
        case Optimiser.ADAM:
            return torch.optim.Adam(network.parameters(), rate, weight_decay=variety.weight_decay)
        case Optimiser.ADAMW:
            return torch.optim.AdamW(network.parameters(), rate, weight_decay=variety.weight_decay)
        case Optimiser.SGD:
            decay = variety.weight_decay
            return torch.optim.SGD(network.parameters(), rate, _MOMENTUM, nesterov=True, weight_decay=decay)
    assert_never(variety.optimiser)


def rate_factor_of(recipe: Recipe) -> Callable[[int], float]:
    """The learning rate after a number of steps, relative to its peak."""
    schedule, variety = recipe.schedule, recipe.variety
    if variety is None:
        return schedule.rate_factor
    return lambda step: rate_factor(variety.rate_schedule, step / schedule.steps)


def rate_factor(kind: RateSchedule, done: float) -> float:
    """The learning rate relative to its peak when the share `done` of the work is done; all begin with a warm-up."""
    warm_up = _ONE_CYCLE_WARM_UP if kind is RateSchedule.ONE_CYCLE else _WARM_UP
    if done < warm_up:
        return 0.04 + 0.96 * done / warm_up
    match kind:
        case RateSchedule.ONE_CYCLE | RateSchedule.COSINE:
            return (1 + math.cos(math.pi * (done - warm_up) / (1 - warm_up))) / 2
        case RateSchedule.STEP:
            return 0.1 ** sum(done >= step for step in _STEPS_DOWN)
        case RateSchedule.CONSTANT:
            return min(1.0, max(0.02, (1 - done) / _DECAY))
    assert_never(kind)


def limit_gradient(network: nn.Module, recipe: Recipe) -> None:
    """Shortens too long a gradient of a varied SqueezeNet."""
    if recipe.variety and recipe.architecture.startswith("squeezenet"):
        torch.nn.utils.clip_grad_norm_(network.parameters(), _LARGEST_GRADIENT)


def attacked(network: nn.Module, images: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """What adversarial training shows instead of the images: one step of fast FGSM from a random start.

    Without adversarial training the images are returned as they are.
    """
    if recipe.variety is None or not recipe.variety.adversarial_eps:
        return images
    eps = recipe.variety.adversarial_eps / 255
    delta = torch.empty_like(images).uniform_(-eps, eps).requires_grad_()
    loss = F.cross_entropy(network((images + delta).clamp(0, 1)), labels)
    (gradient,) = torch.autograd.grad(loss, delta)
    delta = (delta.detach() + _ALPHA * eps * gradient.sign()).clamp(-eps, eps)
    return (images + delta).clamp(0, 1)
