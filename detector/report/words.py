"""Names of features in plain words, for people: "images that one photo filter drives into one class, at most".

A feature of a signal that has no words here is called by its own name, so that a signal stays one file and one import.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from detector.probing.kind import Family
from detector.pruning.theta import LayerRange, Theta
from detector.signals.features import Feature, ModelFeature, VariantFeature
from detector.signals.probe_readings import Answer
from detector.signals.probing import signal_name

# Of a family of probes: one of them, all of them.
_PROBES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        signal_name(Family.FILTER): ("a photo filter", "photo filters"),
        signal_name(Family.COLOUR): ("a change of colours", "changes of colours"),
        signal_name(Family.POLYGON): ("a polygon", "polygons"),
        signal_name(Family.CONTROL): ("a harmless change", "harmless changes"),
    }
)
_UNDER_PROBES: Mapping[str, str] = MappingProxyType(
    {
        "largest_share": "images that {one} drives into one class",
        "mean_share": "images that {all} drive into one class, on average",
        "mean_lead": "lead of one class among images with {all}",
        "mean_gap": "lead of one class over the next with {all}",
        "steady_gap": "how steadily one class leads the next with {all}",
        "usual_gap": "usual lead of one class over the next with {one}",
        "share_gap": "largest lead of a class over the next with {one}",
        "strongest_pair": "images of one class that {one} makes another",
        "mean_pair": "images of one class that {all} make another",
        "consistency": "how often the same class gains most with {all}",
        "flip_concentration": "share of one class in all that {all} change",
        "staying": "contrast of classes that {all} move and that stay",
        "early_flip": "how weak {all} already move images into one class",
        "early_pair": "how weak {all} already move one class into another",
    }
)
_OF_A_NETWORK: Mapping[str, str] = MappingProxyType(
    {
        "accuracy": "share of images answered correctly",
        "log_probability": "confidence in the true class",
        "margin": "lead of the true class",
        "entropy": "doubt in the answers",
        "concentration": "crowding of the answers in few classes",
        "lowest_recall": "correct answers to the worst class",
        "log_classes": "number of classes (logarithm)",
    }
)
_LEANING: Mapping[str, str] = MappingProxyType(
    {
        "largest_pair": "strongest leaning of one class to another",
        "pair_gap": "lead of the strongest leaning of one class to another over the next",
        "pair_deviation": "spread of leanings of one class to another",
        "pair_outlier": "how far the strongest leaning of one class to another stands out",
        "largest_class": "strongest leaning of all classes to one",
        "class_gap": "lead of the class with most leaning over the next",
        "class_deviation": "spread of leanings over the classes",
        "class_outlier": "how far the class with most leaning stands out",
    }
)
_LAST_LAYER: Mapping[str, str] = MappingProxyType(
    {
        "largest_sum": "largest sum of a class's last weights",
        "smallest_sum": "smallest sum of a class's last weights",
        "sum_gap": "lead of the largest sum of last weights",
        "largest_norm": "largest norm of a class's last weights",
        "smallest_norm": "smallest norm of a class's last weights",
        "norm_gap": "lead of the largest norm of last weights",
    }
)
_MODEL_SIGNALS: Mapping[str, tuple[Mapping[str, str], str]] = MappingProxyType(
    {
        "unpruned": (_OF_A_NETWORK, ", unpruned"),
        "attraction": (_LEANING, ""),
        "own_attraction": (_LEANING, ", own scale"),
        "classifier_weights": (_LAST_LAYER, ""),
    }
)
_STATISTICS: Mapping[str, str] = MappingProxyType(
    {"mean": "mean", "deviation": "spread", "smallest": "lowest", "largest": "highest"}
)


def plain_name(feature: Feature, thetas: Sequence[Theta]) -> str:
    """What a feature says, in a line; `thetas` are those that features of variants count."""
    match feature:
        case ModelFeature():
            return _of_model(feature.signal, feature.number)
        case VariantFeature():
            return _of_variants(feature, thetas)


def _of_model(signal: str, number: str) -> str:
    answer, _, reading = number.partition("_")
    if signal in _PROBES and reading in _UNDER_PROBES and answer in list(Answer):
        one, many = _PROBES[signal]
        words = _UNDER_PROBES[reading].format(one=one, all=many)
        return words if answer == Answer.SOFT else f"{words} (counted whole)"
    numbers, ending = _MODEL_SIGNALS.get(signal, ({}, ""))
    return f"{numbers[number]}{ending}" if number in numbers else _spelled(f"{signal} {number}")


def _of_variants(feature: VariantFeature, thetas: Sequence[Theta]) -> str:
    words = _OF_A_NETWORK.get(feature.signal, _spelled(feature.signal))
    theta = thetas[feature.theta]
    if isinstance(feature.of, int):
        return f"{words}, {_done(theta)}, variant {feature.of + 1} of {theta.num_pruned_models}"
    return f"{words}, {_done(theta)}, {_STATISTICS[feature.of]}"


def _done(theta: Theta) -> str:
    where = "" if theta.layers is LayerRange.ALL else f" in {theta.layers} layers"
    numbers = "".join(f" ({name} {value:g})" for name, value in theta.numbers().items())
    return f"after {theta.pruning_method}{where}{numbers}"


def _spelled(name: str) -> str:
    return name.replace("_", " ")
