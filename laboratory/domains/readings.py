"""Readings of the measured models: from kept logits to the signals that a detection reads, by name.

The same functions as in a detection read the same logits, so that what is fitted here is what is applied there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.graph.reference import reference_graph
from detector.signals.registry import SIGNALS, Context, ModelSignal, Scope
from laboratory.domains.answers import ModelAnswers

Array = NDArray[np.float64]

ALL_CLASSES = "all"
_MANY = 10  # classes


@dataclass(frozen=True)
class Domains:
    """Of M models readings (M, F) by the F `names`, labels (M,), and of each factor its value for each model."""

    names: tuple[str, ...]
    readings: Array
    labels: NDArray[np.int64]
    models: tuple[str, ...]
    factors: Mapping[str, tuple[str, ...]]

    def column(self, name: str) -> Array:
        """Of one reading, (M,)."""
        return self.readings[:, self.names.index(name)]

    def columns(self, names: Sequence[str]) -> Array:
        """Of some readings, (M, len(names))."""
        return self.readings[:, [self.names.index(name) for name in names]]

    def relabelled(self, labels: NDArray[np.int64]) -> Domains:
        """The same models with other labels (M,)."""
        return replace(self, labels=labels)

    def part(self, rows: Sequence[int] | NDArray[Any]) -> Domains:
        """Of some of the models."""
        chosen = np.arange(len(self.labels))[rows]
        factors = {name: tuple(values[row] for row in chosen) for name, values in self.factors.items()}
        models = tuple(self.models[row] for row in chosen)
        return Domains(self.names, self.readings[chosen], self.labels[chosen], models, factors)


def domains_of(answers: Sequence[ModelAnswers]) -> Domains:
    """All readings and factors of the models."""
    rows = [model_readings(one) for one in answers]
    factors = [model_factors(one) for one in answers]
    return Domains(
        names=tuple(rows[0]),
        readings=np.array([list(row.values()) for row in rows]),
        labels=np.array([one.poisoned for one in answers], dtype=np.int64),
        models=tuple(one.name for one in answers),
        factors={name: tuple(one[name] for one in factors) for name in factors[0]},
    )


def model_readings(answers: ModelAnswers) -> dict[str, float]:
    """Every number of every signal that needs no weights and no variants, as `signal.number`."""
    context = Context(
        unpruned=answers.unpruned,
        labels=answers.labels,
        graph=reference_graph(answers.architecture),
        arrays={},
        probes=answers.probes,
        probed=answers.probed,
    )
    readings: dict[str, float] = {}
    for signal in SIGNALS:
        if isinstance(signal, ModelSignal) and (signal.scope is Scope.PROBE or signal.name in _OF_ANSWERS):
            numbers = signal.read(context).tolist()
            readings |= {f"{signal.name}.{name}": value for name, value in zip(signal.numbers, numbers, strict=True)}
    return readings


_OF_ANSWERS = ("own_attraction", "unpruned", "attraction")


def model_factors(answers: ModelAnswers) -> dict[str, str]:
    """What domains are made of: how the model differs from others besides its label.

    A clean model has no trigger; it counts to every value of the factors that tell of the trigger.
    """
    facts = answers.facts
    sources, classes = facts.get("number_triggered_classes"), facts.get("number_classes")
    trigger = {"polygon": "polygon", "instagram": "filter"}.get(str(facts.get("trigger_type")), "")
    return {
        "round": answers.name.split("/")[0],
        "architecture": answers.architecture,
        "signs": str(facts.get("sign_family", "plates")),
        "backgrounds": str(facts.get("background_family", "textures")),
        "size": str(facts.get("cnn_img_size_pixels", "")),
        "classes": "" if classes is None else "5 to 9" if int(classes) < _MANY else f"{_MANY} or more",
        "optimiser": str(facts.get("optimiser", "Adam")),
        "start": "scratch" if str(facts.get("start", "scratch")) == "scratch" else "start",
        "smoothing": "none" if not facts.get("label_smoothing") else "some",
        "adversarial": "FBF" if facts.get("adversarial_training_method") not in (None, "None") else "none",
        "trigger": trigger,
        "sources": "" if not answers.poisoned else ALL_CLASSES if sources == classes else str(sources),
    }
