"""Which architectures get a regression, and what is said of its worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from detector.learning.learning import Recipe, learn
from detector.learning.regression.fitting import FitMethod
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.rounds.preprocessing import PROFILES
from detector.signals.attraction import ATTRACTION_STATISTICS
from detector.signals.classifier_weights import CLASSIFIER_STATISTICS
from detector.signals.features import Reduction
from detector.signals.registry import per_variant
from detector.signals.unpruned import UNPRUNED_STATISTICS
from detector.sweep.readings import ArchitectureReadings, images_of

THETA = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, 3, 10)
OTHER = replace(THETA, p=0.2)
RECIPE = Recipe(
    THETA, ("margin",), Reduction.VARIANTS, PROFILES["round2"], FitMethod.OLS, 8, seed=0, round_name="by hand"
)


def models(labels: Sequence[int], architecture: str = "resnet18", slope: int = 1) -> ArchitectureReadings:
    """The first variant's margin under THETA tells the label, all else is noise."""
    rng = np.random.default_rng(0)
    poisoned = np.array(labels)
    noise, told = (rng.random((len(labels), 3, len(per_variant()))) for _ in range(2))
    told[:, 0, per_variant().index("margin")] = slope * poisoned
    return ArchitectureReadings(
        architecture=architecture,
        names=tuple(f"id-{number:08d}" for number in range(len(labels))),
        poisoned=poisoned,
        signals=per_variant(),
        thetas=(OTHER, THETA),
        variants=(noise, told),
        seconds=(np.ones(len(labels)),) * 2,
        images=images_of((THETA, OTHER)),
        numbers={
            "unpruned": rng.random((2, len(labels), len(UNPRUNED_STATISTICS)))[: len(images_of((THETA, OTHER)))],
            "attraction": rng.random((2, len(labels), len(ATTRACTION_STATISTICS)))[: len(images_of((THETA, OTHER)))],
            "classifier_weights": np.stack(
                [rng.random((len(labels), len(CLASSIFIER_STATISTICS)))] * len(images_of((THETA, OTHER)))
            ),
        },
        untouched={},
    )


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
    (one,) = learn([models(labels)], RECIPE)
    assert (one.num_models, one.num_poisoned, one.reason) == (len(labels), sum(labels), reason)
    assert (one.parameters is None) == bool(reason)


def test_each_architecture_is_learned_from_its_own_models() -> None:
    """Of the one the label can be read off; of the other it is the opposite that can."""
    reverse, upright = models([0, 1] * 8, "densenet121", slope=-1), models([0, 1] * 8, "vgg11bn")
    first, second = learn([reverse, upright], RECIPE)
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
    doubtful = ("id-00000000", "id-00000003", "id-00000015", "of another architecture")
    (one,) = learn([models([0, 1] * 8)], replace(RECIPE, doubtful=doubtful))
    assert one.parameters is not None
    assert one.parameters.provenance.notes == ("3 of the models fail at their clean examples before pruning.",)
