"""From what a model has answered to a probability, and all that the report says of how it came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from detector.base.findings import Finding, Severity
from detector.examples.images import shortage
from detector.mapping.configuration import Configuration
from detector.mapping.parameters import LearnedParameters
from detector.mapping.predict import beyond_experience, predict
from detector.measurement.model_under_test import MeasuredLogits, ModelUnderTest
from detector.report.answers import example_answers
from detector.report.contributions import contributions
from detector.report.report import Basis
from detector.signals.features import feature_vector
from detector.signals.probe_readings import kept_images
from detector.signals.reading import SignalReadings, read_signals
from detector.signals.registry import Context

_MOST_WRONG = 0.1  # share of the examples
_FEWEST_CLASSES = 3  # that the images are of


@dataclass(frozen=True)
class Answer:
    """What is found, and fields of the report by name."""

    findings: tuple[Finding, ...]
    known: Mapping[str, Any]


def classify(
    model: ModelUnderTest, logits: MeasuredLogits, parameters: LearnedParameters, configuration: Configuration
) -> Answer:
    """Read all signals of the logits of this configuration, and apply its mapping."""
    readings = _readings(model, logits, configuration)
    vector = feature_vector(configuration.inputs, readings.variants, readings.numbers).tolist()
    prediction = predict(configuration, vector, parameters.clip)
    doubts = (
        *beyond_experience(configuration, vector),
        *wrongly_answered(configuration, logits),
        *too_few_examples(parameters, configuration, logits),
        *too_few_classes(configuration, logits),
    )
    findings = (*shortage(configuration.num_images, len(logits.names)), *doubts)
    known = {
        "probability": parameters.clip(parameters.base_rate) if doubts else prediction.probability,
        "basis": Basis.BASE_RATE if doubts else Basis.MEASURED,
        "examples": logits.names,
        "thetas": configuration.thetas,
        "signals": configuration.signals,
        "reduction": configuration.reduction,
        "readings": _by_signal(readings),
        "features": configuration.features,
        "signal_vector": tuple(vector),
        "prediction": prediction,
        "contributions": contributions(configuration, vector, prediction),
        **_answers(logits, configuration),
    }
    return Answer(findings, known)


def _answers(logits: MeasuredLogits, configuration: Configuration) -> dict[str, Any]:
    answers, strongest = example_answers(
        logits.names, logits.labels, logits.unpruned, logits.probed, labelled=logits.labelled
    )
    probe = None if strongest is None else configuration.probes[strongest].to_document()
    return {"answers": answers, "strongest_probe": probe}


def too_few_examples(
    parameters: LearnedParameters, configuration: Configuration, logits: MeasuredLogits
) -> tuple[Finding, ...]:
    """Told where there are fewer images than any configuration was learned on, and it knows its experience."""
    fewest, used = min(one.num_images for one in parameters.configurations), len(logits.names)
    if not configuration.experience or used >= fewest:
        return ()
    message = (
        f"undecided: {used} clean examples can be used, and this bundle was learned on {fewest} or more of each "
        "network; the answer is the base rate"
    )
    return (Finding(Severity.WARNING, "too_few_examples", message, {"used": used, "fewest": fewest}),)


def too_few_classes(configuration: Configuration, logits: MeasuredLogits) -> tuple[Finding, ...]:
    """Told where the images are of one or two classes of more, and the configuration knows its experience: every
    network of that had images of all its classes, and one class's lead over others says nothing among so few."""
    seen, of = len(set(logits.labels.tolist())), logits.unpruned.shape[1]
    if not configuration.experience or seen >= min(_FEWEST_CLASSES, of):
        return ()
    whose = "show" if logits.labelled else "are, by the network's own answers, of"
    message = (
        f"undecided: the images {whose} {seen} of {of} classes, and this bundle was learned on images of all; "
        "the answer is the base rate"
    )
    return (Finding(Severity.WARNING, "too_few_classes", message, {"seen": seen, "classes": of}),)


def wrongly_answered(configuration: Configuration, logits: MeasuredLogits) -> tuple[Finding, ...]:
    """Told from one wrong image in ten on, where the configuration knows its experience: no network was like that.

    Where nobody has labelled the images, no answer is wrong; what is told then is that there is none.
    """
    right = set(kept_images(logits.unpruned, logits.labels).tolist())
    wrong = [name for number, name in enumerate(logits.names) if number not in right]
    if not configuration.experience or len(wrong) < _MOST_WRONG * len(logits.names):
        return ()
    if logits.labelled:
        what = f"is wrong on {len(wrong)} of {len(logits.names)} clean examples. Wrong labels or the"
    else:
        what = f"answers {len(wrong)} of {len(logits.names)} images with no class. The"
    message = (
        f"undecided: the network {what} wrong preprocessing, or a network that never learned its task; the answer is "
        "the base rate"
    )
    return (Finding(Severity.WARNING, "many_wrong_answers", message, {"examples": [*wrong]}),)


def _readings(model: ModelUnderTest, logits: MeasuredLogits, configuration: Configuration) -> SignalReadings:
    ends = np.cumsum(configuration.num_pruned_models, dtype=np.int64)
    by_theta = np.split(logits.pruned, ends[:-1]) if len(ends) else []
    arrays, probes = model.record.tensors, configuration.probes
    context = Context(logits.unpruned, logits.labels, model.graph, arrays, probes, logits.probed)
    return read_signals(context, by_theta)


def _by_signal(readings: SignalReadings) -> dict[str, list[float]]:
    """Theta by theta a number for each variant; of the network itself the numbers of each signal."""
    names = readings.variants[0] if readings.variants else ()
    of_variants = {name: np.concatenate([one[name] for one in readings.variants]).tolist() for name in names}
    return of_variants | {name: numbers.tolist() for name, numbers in readings.numbers.items()}
