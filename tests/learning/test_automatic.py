"""The automatic configuration on made-up readings: what is planted is found, at every size, and noise stays noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from detector.examples.choice import ImageChoice
from detector.learning.automatic import learn_automatically, winners
from detector.learning.learned import Learned
from detector.learning.study import Study
from detector.mapping.configuration import Configuration
from detector.mapping.predict import predict
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.rounds.preprocessing import PROFILES
from detector.signals.features import feature_vector, make_features
from detector.signals.registry import SIGNALS, VariantSignal, per_variant
from detector.sweep.readings import ArchitectureReadings

Make = Callable[..., ArchitectureReadings]

THETA = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, 5, 10)
OTHER = replace(THETA, p=0.2)
STUDY = Study(PROFILES["small"], 8, seed=0, round_name="by hand", repeats=1, permutations=9)


def scores(configuration: Configuration, readings: ArchitectureReadings, one: Learned) -> list[float]:
    """As `infer` would answer."""
    assert one.parameters is not None
    images = ImageChoice.of(configuration.thetas[0])
    measured = [
        {name: readings.variant_readings(name, theta) for name in per_variant()} for theta in configuration.thetas
    ]
    assert configuration.reduction is not None
    features = make_features(configuration.signals, configuration.reduction, configuration.num_pruned_models)
    vectors = [
        feature_vector(
            features,
            [{name: values[number] for name, values in one.items()} for one in measured],
            {name: readings.model_numbers(name, images)[number] for name in ("unpruned", "attraction")},
        )
        for number in range(len(readings.names))
    ]
    return [predict(configuration, vector.tolist(), one.parameters.clip).probability for vector in vectors]


@pytest.fixture(scope="module")
def planted(make_readings: Make) -> ArchitectureReadings:
    """In the second of two thetas, which is there at three sizes."""
    sizes = [replace(OTHER, num_pruned_models=3), replace(OTHER, num_images=5)]
    return make_readings("resnet18", 1, (THETA, OTHER, *sizes), planted={1: 3.0, 2: 2.0, 3: 2.0})


@pytest.fixture(scope="module")
def found(planted: ArchitectureReadings) -> Learned:
    (one,) = learn_automatically([planted], STUDY)
    return one


def test_the_planted_theta_wins(found: Learned, planted: ArchitectureReadings) -> None:
    assert (found.num_models, found.num_poisoned, found.reason) == (30, 15, "")
    assert found.parameters is not None
    best = found.parameters.configurations[0]
    assert OTHER in [replace(theta, num_pruned_models=5, num_images=10) for theta in best.thetas]
    assert best.held_out is not None and best.held_out.roc_auc is not None and best.held_out.roc_auc > 0.9
    assert "automatic_configuration" in found.parameters.provenance.source
    (winner,) = winners([planted], STUDY)
    assert winner.p == OTHER.p


def test_the_second_stage_follows_a_single_theta_where_the_best_are_several(make_readings: Make) -> None:
    """All three thetas tell, so they win together; the clearest of them stands behind them."""
    thetas = (THETA, OTHER, replace(THETA, pruning_method=PruningMethod.TRIM))
    readings = make_readings("resnet18", 4, thetas, planted={0: 0.9, 1: 1.4, 2: 0.9}, models=60)
    (one,) = learn_automatically([readings], STUDY)
    assert one.parameters is not None
    assert one.parameters.configurations[0].thetas == thetas
    assert winners([readings], STUDY) == (OTHER,)


def test_cheaper_configurations_stand_behind_it_and_answer_too(found: Learned, planted: ArchitectureReadings) -> None:
    assert found.parameters is not None
    first, *others = found.parameters.configurations
    costs = [one.cost for one in (first, *others)]
    assert costs == sorted(costs, reverse=True)
    assert all(cheaper <= cost / 2 for cost, cheaper in pairwise(costs))
    assert {theta for one in others for theta in one.thetas} < set(planted.thetas)
    labels = planted.poisoned
    for one in (first, *others):
        answers = np.array(scores(one, planted, found))
        assert answers[labels == 1].mean() > answers[labels == 0].mean() + 0.3
    assert [one.held_out for one in others] == [None] * len(others)


def test_noise_is_not_sold_as_knowledge(make_readings: Make) -> None:
    (one,) = learn_automatically([make_readings("resnet18", 3, (THETA, OTHER))], STUDY)
    held_out = one.parameters.configurations[0].held_out if one.parameters else None
    assert held_out is None or (held_out.roc_auc is not None and held_out.roc_auc < 0.8)
    assert bool(one.reason) == (one.parameters is None)


@pytest.mark.parametrize(("models", "reason"), [(6, "fewer than 8 models"), (30, "time budget")])
def test_what_cannot_be_learned_from(models: int, reason: str, make_readings: Make) -> None:
    good = make_readings("resnet18", 1, (THETA,), planted={0: 4.0})
    bad = make_readings("vgg11bn", 2, (THETA,), models=models)
    slow = (np.full(models, 61.0),)
    bad = replace(bad, seconds=slow) if models == 30 else bad
    first, second = learn_automatically([good, bad], STUDY)
    assert first.parameters is not None
    assert second.parameters is None
    assert reason in second.reason
    assert winners([bad], STUDY) == ()


def test_old_measurements_serve_a_detector_with_a_new_signal(
    found: Learned, planted: ArchitectureReadings, caplog: pytest.LogCaptureFixture
) -> None:
    """The same is learned of them, and what was left out is told and noted."""
    with SIGNALS.with_entry(VariantSignal("later", 1, lambda answers: answers.logits[:, 0, 0])):
        (again,) = learn_automatically([planted], STUDY)
    told = "Left out of the search: the signal 'later' is not among what was measured."
    assert told in caplog.text
    assert found.parameters is not None and again.parameters is not None
    assert again.parameters.configurations == found.parameters.configurations
    before, now = found.parameters.provenance, again.parameters.provenance
    assert now == replace(before, notes=(told, *before.notes))
