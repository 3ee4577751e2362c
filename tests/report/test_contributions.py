"""What each reading did, against mappings whose answer is known by hand."""

from __future__ import annotations

import pytest

from detector.examples.choice import ImageChoice
from detector.mapping.configuration import Clip, Configuration
from detector.mapping.known import Known
from detector.mapping.logistic import Logistic
from detector.mapping.predict import predict
from detector.report.contributions import contributions
from detector.signals.features import ModelFeature

INPUTS = (ModelFeature("a", "unpruned", "margin"), ModelFeature("b", "unpruned", "entropy"))
MAPPING = Logistic(0.5, (("a", 2.0), ("b", -1.0)))
KNOWN = (("a", Known((1.0,), (3.0,))), ("b", Known((0.0, 1.0, 2.0), (5.0,))))


def test_the_pull_is_against_a_network_half_way_between_clean_and_poisoned() -> None:
    configuration = Configuration(ImageChoice(4), (), (), INPUTS, MAPPING, known=KNOWN)
    vector = (2.5, 4.0)
    first, second = contributions(configuration, vector, predict(configuration, vector, Clip()))
    assert (first.name, first.value, first.contribution) == ("lead of the true class, unpruned", 2.5, 5.0)
    assert (first.pull, second.pull) == (2 * (2.5 - 2.0), -(4.0 - 3.0))
    assert (second.clean, second.poisoned, second.weight) == ((0.0, 1.0, 2.0), (5.0,), 1.0)


@pytest.mark.parametrize("known", [(), KNOWN[:1], (KNOWN[0], ("b", Known((), (1.0,))))])
def test_without_known_networks_there_is_no_pull(known: tuple[tuple[str, Known], ...]) -> None:
    configuration = Configuration(ImageChoice(4), (), (), INPUTS, MAPPING, known=known)
    told = contributions(configuration, (2.5, 4.0), predict(configuration, (2.5, 4.0), Clip()))
    assert [(one.pull, one.weight) for one in told] == [(None, 5.0), (None, 4.0)]
