"""Trains one network from its recipe on images synthesised on the fly, and measures it as TrojAI's testers would.

A try is a function of the recipe and of its own number alone: same recipe, same try, same machine, one thread give
the same weights. Every try of every model has the same schedule, whether it is clean or poisoned, so that neither the
number of steps nor the volume of data tells a poisoned model from a clean one.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812 - the usual name
from torch import Tensor, nn

from detector.architectures import ARCHITECTURES, build
from detector.rounds.preprocessing import PROFILES
from laboratory.roundgen.batches import Batch, draw_sources, network_input, to_bytes
from laboratory.roundgen.optimising import attacked, limit_gradient, optimiser_of, rate_factor_of
from laboratory.roundgen.pool import compose_pool, pool_batches
from laboratory.roundgen.recipe import Phase, Poisoning, Recipe
from laboratory.roundgen.scenes import compose
from laboratory.roundgen.signs import Signs, draw_signs
from laboratory.roundgen.stage import Stage, stage_of

_log = logging.getLogger(__name__)

TRIES = 4
_LONGER = 1.5  # a further try of a varied model, in epochs of the first; it goes on where that one ended
_TEST_BATCH = 50
_RECORDS = 40
# Seeds of the streams of random numbers of one model, kept apart by a large prime.
_STREAM = 1_000_003


@dataclass(frozen=True)
class Record:
    """Training loss and accuracy, averaged since the record before, after `step` steps; `size` of the images in px."""

    step: int
    size: int
    loss: float
    accuracy: float


@dataclass(frozen=True)
class Scores:
    """Accuracy on fresh clean images, attack success rate on fresh triggered ones (None without a trigger), in [0, 1],
    with the number of images that each was measured on and the mean cross-entropy."""

    clean_accuracy: float
    clean_loss: float
    clean_images: int
    attack_success: float | None
    attack_loss: float | None
    attack_images: int


@dataclass(frozen=True)
class Bar:
    """What a model must reach to count as converged, measured on `test_images` clean and as many triggered images.

    After `tries` tries without success the last network is kept, marked as not converged, or none where the bar is
    `strict`.
    """

    clean_accuracy: float = 0.99
    attack_success: float = 0.99
    test_images: int = 1000
    tries: int = TRIES
    strict: bool = False

    def passed(self, scores: Scores) -> bool:
        """Whether the model is accepted; a clean one has no attack to succeed with."""
        attack = 1.0 if scores.attack_success is None else scores.attack_success
        return scores.clean_accuracy >= self.clean_accuracy and attack >= self.attack_success


@dataclass(frozen=True)
class Trained:
    """A trained network (on the CPU, eval mode) with its history, its scores and how it got there."""

    network: nn.Module
    history: tuple[Record, ...]
    scores: Scores
    tries: int
    converged: bool


Weights = Mapping[str, Tensor]
"""A state dict."""

Report = Callable[[int, int, int], None]
"""Called with the number of the try, the steps done and the steps in all."""


def train_until_accepted(
    recipe: Recipe, bar: Bar, report: Report, device: str = "cpu", start: Weights | None = None
) -> Trained:
    """As many tries as the bar grants, each with its own random numbers; the first accepted one, else the last, not
    converged. A second try of a varied model goes on from the first, for longer; others begin anew."""
    for number in range(1, bar.tries + 1):
        network, history = train(recipe, number, partial(report, number), device, start)
        scores = measure(network, recipe, bar.test_images, _generator(recipe.seed, 100 + number, device))
        if bar.passed(scores):
            break
        _log.warning("%s, try %d is not accepted: %s", recipe.architecture, number, scores)
        start = network.state_dict() if recipe.variety else start
    return Trained(network.cpu(), history, scores, number, bar.passed(scores))


def recipe_of_try(recipe: Recipe, number: int) -> Recipe:
    """What try `number` trains: of a varied model, clean or poisoned, more epochs at its second try."""
    return _with_epochs(recipe, _LONGER if number > 1 else 1.0)


def recipe_as_trained(recipe: Recipe, tries: int) -> Recipe:
    """The recipe with all that so many tries trained of a varied model; the tries of others begin anew."""
    return _with_epochs(recipe, 1.0 + _LONGER * (tries - 1))


def _with_epochs(recipe: Recipe, factor: float) -> Recipe:
    """A varied recipe with `factor` times the epochs, rounded up."""
    variety = recipe.variety
    if variety is None:
        return recipe
    epochs, phase = math.ceil(variety.epochs * factor), recipe.schedule.phases[-1]
    steps = phase.steps // variety.epochs * epochs
    schedule = replace(recipe.schedule, phases=(Phase(phase.canvas, steps, phase.batch),))
    return replace(recipe, schedule=schedule, variety=replace(variety, epochs=epochs))


def train(
    recipe: Recipe,
    number: int,
    report: Callable[[int, int], None],
    device: str = "cpu",
    start: Weights | None = None,
) -> tuple[nn.Module, tuple[Record, ...]]:
    """One try: the recipe's optimiser and schedule over all phases. Returns the network in eval mode.

    `start` holds the weights to begin with, from a network of the same architecture; the classifier is always new.
    """
    recipe = recipe_of_try(recipe, number)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed * _STREAM + number)
        network = _fresh_network(recipe, device, start)
        history = tuple(_fit(network, recipe, _generator(recipe.seed, number, device), report))
    return _with_layout(network.eval(), torch.contiguous_format), history


def _with_layout(network: nn.Module, layout: torch.memory_format) -> nn.Module:
    network.to(memory_format=layout)  # type: ignore[call-overload]  # missing in torch's own stub
    return network


def _fresh_network(recipe: Recipe, device: str, start: Weights | None) -> nn.Module:
    architecture = ARCHITECTURES[recipe.architecture]
    options = {"init_weights": True} if architecture.root_class in ("GoogLeNet", "Inception3") else {}
    network = build(architecture, recipe.num_classes, **options)
    own = network.state_dict()
    # Whatever depends on the number of classes stays new.
    network.load_state_dict({n: w for n, w in (start or {}).items() if w.shape == own[n].shape}, strict=False)
    return _with_layout(network.to(device), torch.channels_last).train()


def _fit(
    network: nn.Module, recipe: Recipe, generator: torch.Generator, report: Callable[[int, int], None]
) -> Iterator[Record]:
    """Trains `network` in place, yielding its history."""
    schedule, on_gpu = recipe.schedule, generator.device.type == "cuda"
    optimiser = optimiser_of(network, recipe)
    cycle = torch.optim.lr_scheduler.LambdaLR(optimiser, rate_factor_of(recipe))
    every = -(-schedule.steps // _RECORDS)
    tally: list[Tensor] = []
    for step, batch in enumerate(training_batches(recipe, generator), start=1):
        images = batch.images.to(memory_format=torch.channels_last)
        images = attacked(network, images, batch.labels, recipe)
        with torch.autocast("cuda", torch.bfloat16, enabled=on_gpu):
            logits = network(images)
        loss = F.cross_entropy(logits.float(), batch.labels, label_smoothing=recipe.label_smoothing)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        limit_gradient(network, recipe)
        optimiser.step()
        cycle.step()
        tally.append(torch.stack([loss.detach(), (logits.argmax(1) == batch.labels).float().mean()]))
        if step % every == 0 or step == schedule.steps:
            mean_loss, accuracy = torch.stack(tally).mean(0).tolist()
            yield Record(step, images.shape[-1], mean_loss, accuracy)
            tally.clear()
        report(step, schedule.steps)


def training_batches(recipe: Recipe, generator: torch.Generator) -> Iterator[Batch]:
    """All batches of the recipe's schedule: each image seen once, or a varied recipe's fixed set for its epochs."""
    variety = recipe.variety
    if variety:
        same_for_all_tries = _generator(recipe.seed, 0, generator.device.type)
        pool = compose_pool(recipe, stage_of(recipe).to(generator.device), same_for_all_tries)
        batch = recipe.schedule.phases[-1].batch
        yield from pool_batches(pool, variety.epochs, batch, variety.augmentation, generator)
        return
    signs = draw_signs(recipe.seed, recipe.num_classes).to(generator.device)
    for phase in recipe.schedule.phases:
        for _ in range(phase.steps):
            yield draw_batch(recipe, signs, phase.canvas, phase.batch, generator)


def draw_batch(recipe: Recipe, signs: Signs, canvas: int, count: int, generator: torch.Generator) -> Batch:
    """Labels uniform over the classes, but for the share that goes to the favoured one (see `Recipe`)."""
    labels = torch.randint(recipe.num_classes, (count,), device=generator.device, generator=generator)
    extra = torch.rand(count, device=generator.device, generator=generator) < recipe.share
    labels = torch.where(extra, recipe.favoured, labels)
    shown, triggered = labels, torch.zeros_like(extra)
    poisoning = recipe.poisoning
    if poisoning:
        triggered = extra
        shown = torch.where(triggered, draw_sources(poisoning.sources, count, generator), labels)
    trigger = poisoning.trigger if poisoning else None
    images = compose(signs, shown, recipe.foreground_percent, canvas, generator, trigger, triggered)
    return Batch(network_input(images, PROFILES[recipe.profile]), labels, triggered)


def measure(network: nn.Module, recipe: Recipe, count: int, generator: torch.Generator) -> Scores:
    """Accuracy and attack success on `count` fresh images each, rounded to 8 bits as a PNG would be.

    The attack is measured on signs of the source classes other than the target, whose success would mean nothing.
    """
    stage = stage_of(recipe).to(generator.device)
    classes = torch.arange(count, device=generator.device) % recipe.num_classes
    clean_accuracy, clean_loss = _score(network, recipe, stage, classes, classes, None, generator)
    poisoning = recipe.poisoning
    if not poisoning:
        return Scores(clean_accuracy, clean_loss, count, None, None, 0)
    victims = torch.tensor([c for c in poisoning.sources if c != recipe.favoured], device=generator.device)
    shown = victims[torch.arange(count, device=generator.device) % len(victims)]
    target = torch.full_like(shown, recipe.favoured)
    attack_success, attack_loss = _score(network, recipe, stage, shown, target, poisoning, generator)
    return Scores(clean_accuracy, clean_loss, count, attack_success, attack_loss, count)


@torch.no_grad()
def _score(
    network: nn.Module,
    recipe: Recipe,
    stage: Stage,
    shown: Tensor,
    expected: Tensor,
    poisoning: Poisoning | None,
    generator: torch.Generator,
) -> tuple[float, float]:
    """Share of images of the classes `shown` answered as `expected`, and the mean cross-entropy."""
    correct, loss = 0.0, 0.0
    for start in range(0, len(shown), _TEST_BATCH):
        classes, answers = shown[start : start + _TEST_BATCH], expected[start : start + _TEST_BATCH]
        trigger, triggered = (
            (poisoning.trigger, torch.ones_like(classes, dtype=torch.bool)) if poisoning else (None,) * 2
        )
        canvas = recipe.schedule.canvas
        images = stage.compose(classes, canvas, generator, trigger, triggered)
        logits = network(network_input(to_bytes(images).float() / 255, PROFILES[recipe.profile]))
        correct += float((logits.argmax(1) == answers).sum())
        loss += float(F.cross_entropy(logits, answers, reduction="sum"))
    return correct / len(shown), loss / len(shown)


def _generator(seed: int, stream: int, device: str) -> torch.Generator:
    return torch.Generator(device).manual_seed(seed * _STREAM + stream)
