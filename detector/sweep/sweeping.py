"""Measures one labelled model under many thetas: parsed, checked and packed once, unpruned once, then theta by theta.

The model takes the same way as in a detection: its file is never unpickled, and one that is refused, tampered with, or
has no usable example is left out with its reason. Answers go to the store as soon as they are there; thetas that differ
only in |S| and |D| are measured together where one is a part of the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from detector.base.clock import Budget, Clock
from detector.base.errors import DetectorError
from detector.base.findings import Severity
from detector.examples.choice import ImageChoice
from detector.examples.images import Examples, Listing, decode, list_examples, select
from detector.graph.reference import load_references, reference_graph
from detector.measurement.measure import Engine, Measurer
from detector.model_file import read_model
from detector.model_file.records import ModelRecord
from detector.pruning.theta import Theta
from detector.pruning.variants import Rankings, make_variants
from detector.quality.accuracy import clean_accuracy_finding
from detector.quality.check import check_model
from detector.quality.structure import Identification
from detector.rounds.preprocessing import Preprocessing
from detector.rounds.reading import LabelledModel, LeftOut
from detector.signals.reading import read_signals
from detector.signals.registry import Context, per_variant
from detector.sweep.covariates import HISTORY, untouched_readings
from detector.sweep.readings import images_of
from detector.sweep.store import Answers, Shelf, Store
from detector.sweep.thinning import thinned

_Array = NDArray[np.float64]


@dataclass(frozen=True)
class Sweep:
    """What is measured of every model."""

    thetas: tuple[Theta, ...]
    preprocessing: Preprocessing

    @property
    def images(self) -> tuple[ImageChoice, ...]:
        """The choices of images that are measured on, each once."""
        return images_of(self.thetas)


@dataclass(frozen=True)
class ModelReadings:
    """All that was measured of one model.

    Attributes
    ----------
    doubtful
        Whether it fails at its clean examples even before pruning.
    variants, seconds
        For each theta the readings (|S|, F) and how long they took to measure.
    numbers, untouched
        As in `ArchitectureReadings`, of this model: by name (I, K), and by name.
    """

    name: str
    architecture: str
    poisoned: bool
    sha256: str
    doubtful: bool
    variants: tuple[_Array, ...]
    seconds: tuple[float, ...]
    numbers: Mapping[str, _Array]
    untouched: Mapping[str, float]


def sweep_model(model: LabelledModel, sweep: Sweep, store: Store, clock: Clock) -> ModelReadings | LeftOut:
    """Measure what the store does not hold, and read all thetas; a model that cannot be measured is left out."""
    try:
        record = read_model(model.model_filepath)
        identification = check_model(record, load_references())
        if identification.identification.architecture is None:
            reason = "tampered with" if identification.tampered else "of an unknown architecture"
            return LeftOut(model.name, f"{reason}: {identification.findings[0].message}")
        return _sweep(model, record, identification.identification, sweep, store, clock)
    except DetectorError as error:
        return LeftOut(model.name, str(error))


def _sweep(
    model: LabelledModel,
    record: ModelRecord,
    identification: Identification,
    sweep: Sweep,
    store: Store,
    clock: Clock,
) -> ModelReadings:
    assert identification.architecture is not None
    images = _Images.of(list_examples(model.examples_dirpath, identification.num_classes), sweep)
    name = identification.architecture.name
    network = _Network(record, name, images.examples, store.shelf(record.sha256, sweep.preprocessing.name), clock)
    unpruned = network.unpruned()
    labels = images.examples.labels
    answers = [network.pruned(theta, images, sweep.thetas) for theta in sweep.thetas]
    graph, logits = reference_graph(name), unpruned.logits[0]
    measured: dict[Theta, _Array] = {}
    numbers: list[Mapping[str, _Array]] = []
    for choice in sweep.images:
        on_these = {
            theta: one for theta, one in zip(sweep.thetas, answers, strict=True) if ImageChoice.of(theta) == choice
        }
        rows = images.rows(next(iter(on_these)))
        names = images.names(next(iter(on_these)))
        context = Context(unpruned.part((0,), names).logits[0], labels[rows], graph, record.tensors)
        read = read_signals(context, [one.logits for one in on_these.values()])
        numbers.append(read.numbers)
        measured |= {
            theta: np.stack([of[signal] for signal in per_variant()], axis=-1)
            for theta, of in zip(on_these, read.variants, strict=True)
        }
    untouched = untouched_readings(graph, record.tensors, logits, labels, record.file_bytes)
    finding = clean_accuracy_finding(untouched["accuracy"], len(labels))
    return ModelReadings(
        name=model.name,
        architecture=name,
        poisoned=model.poisoned,
        sha256=record.sha256,
        doubtful=finding.severity is Severity.ERROR,
        variants=tuple(measured[theta] for theta in sweep.thetas),
        seconds=tuple(one.seconds for one in answers),
        numbers={name: np.stack([one[name] for one in numbers]) for name in numbers[0]},
        untouched=untouched | {key: model.history[key] for key in HISTORY if key in model.history},
    )


@dataclass(frozen=True)
class _Images:
    """All images that any theta asks for, decoded once, and which of them each one uses."""

    examples: Examples
    selections: Mapping[tuple[int, str], tuple[int, ...]]

    @classmethod
    def of(cls, listing: Listing, sweep: Sweep) -> _Images:
        asked = {_asked(theta): theta for theta in sweep.thetas}
        selections = {key: select(listing, theta.num_images, theta.rule) for key, theta in asked.items()}
        wanted = sorted(set().union(*selections.values()))
        return cls(decode(listing, wanted, sweep.preprocessing), selections)

    def rows(self, theta: Theta) -> list[int]:
        """Of the theta's images among all of them."""
        wanted = set(self.selections[_asked(theta)])
        return [row for row, index in enumerate(self.examples.stands_for) if index in wanted]

    def names(self, theta: Theta) -> tuple[str, ...]:
        """Of the theta's images."""
        return tuple(self.examples.names[row] for row in self.rows(theta))


def _asked(theta: Theta) -> tuple[int, str]:
    return theta.num_images, theta.rule


class _Network:
    """One model, ready to answer; what it has answered before is taken from the shelf."""

    def __init__(self, record: ModelRecord, architecture: str, examples: Examples, shelf: Shelf, clock: Clock) -> None:
        self._record = record
        self._graph = reference_graph(architecture)
        self._examples = examples
        self._shelf = shelf
        self._clock = clock
        self._rankings: Rankings = {}

    @cached_property
    def _engine(self) -> Engine:
        # Imported here: a second run that finds everything measured does without torch.
        from detector.measurement.engine import PackedEngine

        return PackedEngine(self._graph, self._record.tensors)

    @cached_property
    def _measurer(self) -> Measurer:
        return Measurer(self._engine, Budget(self._clock, self._clock.now(), math.inf), workers=1)

    def unpruned(self) -> Answers:
        """Of the network as it is, to all images."""
        found = self._shelf.find(None, self._examples.names)
        if found is None:
            began = self._clock.now()
            measured = self._measurer.unpruned(self._examples.images)
            assert measured is not None  # the budget is endless, here and below
            found = Answers(self._examples.names, measured[None], self._clock.now() - began)
            self._shelf.put(None, found)
        return found

    def pruned(self, theta: Theta, images: _Images, thetas: Sequence[Theta]) -> Answers:
        """Of the variants of `theta` to its images; what the other thetas need of the same variants is measured too."""
        names = images.names(theta)
        found = self._shelf.find(theta, names)
        if found is None:
            alike = [other for other in thetas if _without_sizes(other) == _without_sizes(theta)]
            self._measure(theta, alike, images)
            found = self._shelf.find(theta, names)
            assert found is not None
        return found

    def _measure(self, theta: Theta, alike: Iterable[Theta], images: _Images) -> None:
        """Measure the largest |S| of which that of `theta` is a part, on the images of all that are `alike`."""
        alike = list(alike)
        largest = max(
            (one for one in alike if thinned(one, theta.num_pruned_models) is not None),
            key=lambda one: one.num_pruned_models,
        )
        rows = sorted({row for one in alike for row in images.rows(one)})
        chosen = images.examples.images[rows]
        began = self._clock.now()
        variants = make_variants(self._record.tensors, self._graph, largest, self._rankings)
        logits = self._measurer.variants(variants, largest.num_pruned_models, chosen)
        assert logits is not None
        names = tuple(self._examples.names[row] for row in rows)
        self._shelf.put(largest, Answers(names, logits, self._clock.now() - began))


def _without_sizes(theta: Theta) -> Theta:
    return replace(theta, num_pruned_models=1, num_images=1)
