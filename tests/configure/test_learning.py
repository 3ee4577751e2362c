"""Which architectures get a regression, and what is said of its worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from detector.configure.fitting import FitMethod
from detector.configure.learning import Recipe, learn
from detector.configure.measuring import MeasuredModel, Measurement, Reading
from detector.examples.preprocessing import PROFILES
from detector.mapping.signals import Signal
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta

THETA = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, 3, 10)
RECIPE = Recipe(Measurement(THETA, Signal.ACCURACY, PROFILES["round2"]), FitMethod.OLS, 8, 0, "by hand")


def models(labels: Sequence[int], architecture: str = "resnet18", doubtful: int = 0) -> list[MeasuredModel]:
    """The first number of a vector is the label; the first models are the doubtful ones."""
    rng = np.random.default_rng(0)
    readings = [Reading((float(label), *rng.random(2).tolist()), 1.0) for label in labels]
    return [
        MeasuredModel(f"id-{number:08d}", architecture, bool(label), reading, number < doubtful)
        for number, (label, reading) in enumerate(zip(labels, readings, strict=True))
    ]


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([0, 1] * 4, ""),
        ([0] * 5 + [1] * 3, ""),
        ([0, 1, 0, 1, 0, 1, 0], "fewer than 8 models"),
        ([0] * 6 + [1] * 2, "fewer than 3 models of one class"),
        ([1] * 30, "fewer than 3 models of one class"),
    ],
)
def test_which_architectures_get_a_regression(labels: list[int], reason: str) -> None:
    (one,) = learn(models(labels), RECIPE)
    assert (one.num_models, one.num_poisoned, one.reason) == (len(labels), sum(labels), reason)
    assert (one.parameters is None) == bool(reason)


def test_each_architecture_is_learned_from_its_own_models() -> None:
    """Of the one the label can be read off; of the other it is the opposite that can."""
    upright, reverse = models([0, 1] * 8, "vgg11bn"), models([0, 1] * 8, "densenet121")
    reverse = [replace(model, poisoned=not model.poisoned) for model in reverse]
    first, second = learn([*upright, *reverse], RECIPE)
    assert (first.architecture, second.architecture) == ("densenet121", "vgg11bn")
    for one, slope in ((first, -1), (second, 1)):
        assert one.parameters is not None
        (configuration,) = one.parameters.configurations
        assert configuration.coefficients == pytest.approx((slope, 0, 0), abs=1e-9)
        assert configuration.held_out is not None
        assert configuration.held_out.roc_auc == 1.0
        assert configuration.held_out.cross_entropy == pytest.approx(-np.log(0.99))  # clipped
        assert "p = 0.02" in one.parameters.provenance.evaluation


def test_doubtful_models_are_told() -> None:
    (one,) = learn(models([0, 1] * 8, doubtful=3), RECIPE)
    assert one.parameters is not None
    assert one.parameters.provenance.notes == ("3 of the models fail at their clean examples before pruning.",)
