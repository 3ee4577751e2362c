"""Readings of made-up models, with a signal where one is planted, and a small analysis of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.signals.attraction import ATTRACTION_STATISTICS
from detector.signals.classifier_weights import CLASSIFIER_STATISTICS
from detector.signals.registry import per_variant
from detector.signals.unpruned import UNPRUNED_STATISTICS
from detector.sweep.readings import ArchitectureReadings, images_of
from laboratory.results.analysis import Effort, Results, analyse

RESET = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.067, 4, 10)
AMPLIFY = replace(RESET, pruning_method=PruningMethod.AMPLIFY, p=0.01)
LARGE = replace(RESET, num_pruned_models=6)
SLOW = replace(RESET, num_images=1000)
GRID = (RESET, AMPLIFY, LARGE, SLOW)
EFFORT = Effort(repeats=1, permutations=19, draws=2)


def made_up(
    architecture: str, seed: int, models: int = 30, planted: Mapping[Theta, float] | None = None, leak: float = 0.0
) -> ArchitectureReadings:
    """`planted` adds to the margins of poisoned models, `leak` to what no pruning touches."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(models) % 2)
    variants = [rng.normal(size=(models, theta.num_pruned_models, len(per_variant()))) for theta in GRID]
    for readings, theta in zip(variants, GRID, strict=True):
        readings[:, :, 2] += (planted or {}).get(theta, 0.0) * labels[:, None]
    return ArchitectureReadings(
        architecture=architecture,
        names=tuple(f"id-{number:08d}" for number in range(models)),
        poisoned=labels,
        signals=per_variant(),
        thetas=GRID,
        variants=tuple(variants),
        seconds=tuple(np.full(models, 2 + 0.1 * one.num_pruned_models * one.num_images) for one in GRID),
        images=images_of(GRID),
        numbers={
            "unpruned": rng.normal(size=(len(GRID), models, len(UNPRUNED_STATISTICS)))[: len(images_of(GRID))],
            "attraction": rng.normal(size=(len(GRID), models, len(ATTRACTION_STATISTICS)))[: len(images_of(GRID))],
            "classifier_weights": np.stack(
                [rng.normal(size=(models, len(CLASSIFIER_STATISTICS)))] * len(images_of(GRID))
            ),
        },
        untouched={"accuracy": rng.normal(size=models) + leak * labels, "loss": rng.normal(size=models)},
    )


def a_round(first: int, planted: float, models: int = 30, leak: float = 0.0) -> Sequence[ArchitectureReadings]:
    """Two architectures with the signal under amplification."""
    names = enumerate(("resnet18", "squeezenetv1_1"), start=first)
    return [made_up(name, seed, models, {AMPLIFY: planted}, leak) for seed, name in names]


@pytest.fixture(scope="session")
def make_round() -> Callable[..., Sequence[ArchitectureReadings]]:
    return a_round


@pytest.fixture(scope="session")
def found() -> Results:
    """A clear signal under amplification, in two architectures and in two more rounds; a third one has too few."""
    learned_from = [*a_round(0, 2.5), made_up("vgg11bn", 9, models=8)]
    return analyse(learned_from, a_round(30, 2.5, models=16), a_round(20, 2.5, models=12), EFFORT)


@pytest.fixture(scope="session")
def noise() -> Results:
    """Nothing but a leak."""
    return analyse(a_round(40, 0.0, leak=2.0), [], [], EFFORT)
