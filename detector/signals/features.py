"""Features: named numbers, made of a model's signals, that a mapping is fitted on and applied to.

Every feature says what it is made of by name: a number of a signal of the network itself, or what is made of a signal
of variants under one theta. Used alike for learning and for a detection; no order of signals, of columns or of the
registry plays a part. Readings are finite by construction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from detector.signals.registry import is_per_variant, model_signal

Array = NDArray[np.float64]


class Reduction(StrEnum):
    """What is made of the |S| readings of one signal under one theta."""

    VARIANTS = "variants"  # all of them, one number a variant, as in the paper
    SUMMARY = "summary"  # mean, standard deviation, smallest and largest over the variants
    MEAN = "mean"  # over the variants


_STATISTICS: Mapping[str, Callable[[Array], Array]] = MappingProxyType(
    {
        "mean": lambda readings: readings.mean(axis=1),
        "deviation": lambda readings: readings.std(axis=1),
        "smallest": lambda readings: readings.min(axis=1),
        "largest": lambda readings: readings.max(axis=1),
    }
)
STATISTICS = tuple(_STATISTICS)
"""What a feature can be of the readings of all variants."""

_REDUCED: Mapping[Reduction, tuple[str, ...]] = MappingProxyType(
    {Reduction.SUMMARY: STATISTICS, Reduction.MEAN: ("mean",)}
)


@dataclass(frozen=True)
class ModelFeature:
    """A number of a signal of the network itself, as it is; `name` is what coefficients are found by."""

    name: str
    signal: str
    number: str


@dataclass(frozen=True)
class VariantFeature:
    """Made of the readings of one signal of the variants of one theta.

    Attributes
    ----------
    theta
        Index among the thetas that are measured together.
    of
        One of STATISTICS over the variants, or the index of a single variant.
    """

    name: str
    signal: str
    theta: int
    of: str | int

    def __post_init__(self) -> None:
        if isinstance(self.of, str) and self.of not in _STATISTICS:
            raise ValueError(f"expected a variant or one of {', '.join(_STATISTICS)} in {self.name!r}, got {self.of!r}")


Feature = ModelFeature | VariantFeature


def make_features(
    signals: Sequence[str],
    reduction: Reduction,
    num_variants: Sequence[int],
    numbers: Callable[[str], Sequence[str]] | None = None,
) -> tuple[Feature, ...]:
    """All features of these signals: signal by signal, in each theta by theta.

    Called accuracy_00, margin_mean or attraction_pair_gap; of several thetas theta03_margin_mean.

    Parameters
    ----------
    signals
        Names; UnknownEntryError if there is no such signal.
    num_variants
        |S| of each theta.
    numbers
        The names of the numbers of a signal of the network itself; as the registry has them, unless given.
    """
    of_model = numbers or (lambda name: model_signal(name).numbers)
    features: list[Feature] = []
    for signal in signals:
        if is_per_variant(signal):
            features += _variant_features(signal, reduction, num_variants)
        else:
            features += [ModelFeature(f"{signal}_{number}", signal, number) for number in of_model(signal)]
    return tuple(features)


def _variant_features(signal: str, reduction: Reduction, num_variants: Sequence[int]) -> list[Feature]:
    several = len(num_variants) > 1
    return [
        VariantFeature(f"{f'theta{theta:02d}_' if several else ''}{signal}_{ending}", signal, theta, of)
        for theta, count in enumerate(num_variants)
        for ending, of in _endings(reduction, count)
    ]


def _endings(reduction: Reduction, count: int) -> list[tuple[str, str | int]]:
    if reduction in _REDUCED:
        return [(name, name) for name in _REDUCED[reduction]]
    return [(f"{variant:02d}", variant) for variant in range(count)]


def feature_names(signals: Sequence[str], reduction: Reduction, num_variants: Sequence[int]) -> tuple[str, ...]:
    """A name for each feature, in order, given |S| of each theta."""
    return tuple(feature.name for feature in make_features(signals, reduction, num_variants))


def feature_matrix(
    features: Iterable[Feature], variants: Sequence[Mapping[str, Array]], numbers: Mapping[str, Array]
) -> Array:
    """The features (M, length) of M models.

    Parameters
    ----------
    variants
        For each theta, by the name of a signal of variants, readings (M, |S|).
    numbers
        By the name of any other signal its numbers (M, K), in the order of its entry.

    Raises
    ------
    UnknownEntryError, KeyError
        A signal is not known, or there are no readings of it.
    """
    return np.stack([_column(feature, variants, numbers) for feature in features], axis=1)


def _column(feature: Feature, variants: Sequence[Mapping[str, Array]], numbers: Mapping[str, Array]) -> Array:
    if isinstance(feature, ModelFeature):
        place = model_signal(feature.signal).numbers.index(feature.number)
        return numbers[feature.signal][:, place]
    readings = variants[feature.theta][feature.signal]
    return readings[:, feature.of] if isinstance(feature.of, int) else _STATISTICS[feature.of](readings)


def feature_vector(
    features: Iterable[Feature], variants: Sequence[Mapping[str, Array]], numbers: Mapping[str, Array]
) -> Array:
    """The features (length,) of one model: of its readings (|S|,) under each theta, and its numbers, each (K,)."""
    of_one = {signal: values[None] for signal, values in numbers.items()}
    of_variants = [{signal: values[None] for signal, values in one.items()} for one in variants]
    vector: Array = feature_matrix(features, of_variants, of_one)[0]
    return vector
