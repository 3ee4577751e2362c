"""What each reading of a network did to its answer, and where it stands among the networks that are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from detector.mapping.configuration import Configuration
from detector.mapping.known import Known
from detector.mapping.predict import Prediction
from detector.report.words import plain_name

_NOBODY = Known((), ())


@dataclass(frozen=True)
class Contribution:
    """One feature of the signal vector.

    Attributes
    ----------
    feature, name
        As the bundle calls it, and in plain words.
    value
        What this network reads.
    contribution
        What it adds to the mapping's raw value; None where the mapping cannot be taken apart.
    pull
        By how much it adds more than it would half way between known clean and poisoned networks: above 0 it speaks
        for poisoned. None where that, or the contribution, is not known.
    clean, poisoned
        What known networks read, ascending (all, or quantiles); empty where the bundle does not say.
    """

    feature: str
    name: str
    value: float
    contribution: float | None
    pull: float | None
    clean: tuple[float, ...]
    poisoned: tuple[float, ...]

    @property
    def weight(self) -> float:
        """How much it decided, either way."""
        return abs(self.pull if self.pull is not None else self.contribution or 0.0)


def contributions(
    configuration: Configuration, vector: Sequence[float], prediction: Prediction
) -> tuple[Contribution, ...]:
    """One for each number of the signal vector, in its order."""
    known = dict(configuration.known)
    added = prediction.contributions[1:]
    usual = _added_in_the_middle(configuration)
    made = []
    for index, (feature, value) in enumerate(zip(configuration.inputs, vector, strict=True)):
        own, middle = (added[index] if added else None), usual.get(feature.name)
        pull = None if own is None or middle is None else own - middle
        networks = known.get(feature.name, _NOBODY)
        name = plain_name(feature, configuration.thetas)
        made.append(Contribution(feature.name, name, float(value), own, pull, networks.clean, networks.poisoned))
    return tuple(made)


def _added_in_the_middle(configuration: Configuration) -> dict[str, float]:
    """By feature what it adds half way between clean and poisoned networks; empty unless that is known of them all."""
    middles = {name: middle for name, known in configuration.known if (middle := known.middle) is not None}
    if middles.keys() != set(configuration.features):
        return {}
    return dict(configuration.mapping.apply(middles).contributions)
