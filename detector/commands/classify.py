"""From what a model has answered to a probability, and all that the report says of how it came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from detector.base.findings import Finding
from detector.examples.images import shortage
from detector.mapping.configuration import Configuration
from detector.mapping.parameters import LearnedParameters
from detector.mapping.predict import beyond_experience, predict
from detector.measurement.model_under_test import Logits, ModelUnderTest
from detector.report.report import Basis
from detector.signals.features import feature_vector
from detector.signals.reading import SignalReadings, read_signals
from detector.signals.registry import Context


@dataclass(frozen=True)
class Answer:
    """What is found, and fields of the report by name."""

    findings: tuple[Finding, ...]
    known: Mapping[str, Any]


def classify(
    model: ModelUnderTest, logits: Logits, parameters: LearnedParameters, configuration: Configuration
) -> Answer:
    """Read all signals of the logits of this configuration, and apply its mapping."""
    readings = _readings(model, logits, configuration)
    vector = feature_vector(configuration.inputs, readings.variants, readings.numbers).tolist()
    prediction = predict(configuration, vector, parameters.clip)
    findings = (*shortage(configuration.num_images, len(logits.names)), *beyond_experience(configuration, vector))
    known = {
        "probability": prediction.probability,
        "basis": Basis.MEASURED,
        "examples": logits.names,
        "thetas": configuration.thetas,
        "signals": configuration.signals,
        "reduction": configuration.reduction,
        "readings": _by_signal(readings),
        "features": configuration.features,
        "signal_vector": tuple(vector),
        "prediction": prediction,
    }
    return Answer(findings, known)


def _readings(model: ModelUnderTest, logits: Logits, configuration: Configuration) -> SignalReadings:
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
