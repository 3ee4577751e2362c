"""Measures one labelled model under many thetas: parsed, checked and packed once, unpruned once, then theta by theta.

The model takes the same way as in a detection: its file is never unpickled, and one that is refused, tampered with, or
has no usable example is left out with its reason. Answers go to the store as soon as they are there; thetas that differ
only in |S| and |D| are measured together where one is a part of the other.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from detector.base.budget import Budget
from detector.base.clock import Clock
from detector.base.errors import DetectorError
from detector.base.findings import Severity
from detector.examples.choice import ImageChoice
from detector.examples.chosen import ChosenExamples
from detector.examples.images import list_examples
from detector.graph.reference import reference_graph
from detector.measurement.confinement import confinement_of_process
from detector.measurement.model_under_test import ModelUnderTest
from detector.model_file.records import ModelRecord
from detector.probing.probe import Probe
from detector.pruning.method import UnsupportedNetworkError
from detector.pruning.theta import Theta
from detector.quality.accuracy import clean_accuracy_finding
from detector.quality.checked_model import CheckedModel
from detector.rounds.preprocessing import Preprocessing
from detector.rounds.reading import LabelledModel, LeftOut
from detector.signals.reading import read_signals
from detector.signals.registry import Context, per_variant
from detector.sweep.covariates import HISTORY, untouched_readings
from detector.sweep.readings import images_of
from detector.sweep.store import Shelf, Store, StoredLogits
from detector.sweep.thinning import thinned

_log = logging.getLogger(__name__)

_Array = NDArray[np.float64]


@dataclass(frozen=True)
class Sweep:
    """What is measured of every model."""

    thetas: tuple[Theta, ...]
    preprocessing: Preprocessing
    probes: tuple[Probe, ...] = ()  # on all images that anything is measured on
    further_images: tuple[ImageChoice, ...] = ()  # beside those of the thetas, for what needs no theta

    @property
    def images(self) -> tuple[ImageChoice, ...]:
        """The choices of images that are measured on, each once."""
        return tuple(dict.fromkeys((*images_of(self.thetas), *self.further_images)))


@dataclass(frozen=True)
class ModelReadings:
    """All that was measured of one model.

    Attributes
    ----------
    doubtful
        Whether it fails at its clean examples even before pruning.
    thetas, variants, seconds
        The thetas that can be done to such a network, the readings (|S|, F) of each, and how long they took to measure.
    numbers, untouched
        As in `ArchitectureReadings`, of this model: by name (I, K), and by name.
    """

    name: str
    architecture: str
    poisoned: bool
    sha256: str
    doubtful: bool
    thetas: tuple[Theta, ...]
    variants: tuple[_Array, ...]
    seconds: tuple[float, ...]
    numbers: Mapping[str, _Array]
    untouched: Mapping[str, float]


@dataclass(frozen=True)
class Fault(LeftOut):
    """A model that is left out for a failure that nobody foresaw: ours, or something new in its files."""


def sweep_model(
    model: LabelledModel, sweep: Sweep, store: Store, clock: Clock, *, sandboxed: bool = True
) -> ModelReadings | LeftOut:
    """`measure_model`, but whatever goes wrong with one model leaves that model out and ends nothing else."""
    try:
        return measure_model(model, sweep, store, clock, sandboxed=sandboxed)
    except Exception as error:  # hours of measuring the others must not end at it
        return Fault(model.name, f"internal fault: {error!r}")


def measure_model(
    model: LabelledModel, sweep: Sweep, store: Store, clock: Clock, *, sandboxed: bool = True
) -> ModelReadings | LeftOut:
    """Measure what the store does not hold, and read all thetas; a model that cannot be measured is left out.

    Its files are parsed in the sandbox that this process keeps, if that is wished for and to be had.
    """
    sandbox = confinement_of_process().sandbox if sandboxed else None
    try:
        checked = CheckedModel.read(model.model_filepath, sandbox)
        if checked.architecture is None:
            reason = "tampered with" if checked.identification.tampered else "of an unknown architecture"
            return LeftOut(model.name, f"{reason}: {checked.findings[0].message}")
        listing = list_examples(model.examples_dirpath, checked.identification.num_classes)
        images = ChosenExamples.of(listing, sweep.images, sweep.preprocessing, sandbox=sandbox)
        return _sweep(model, checked, checked.architecture, images, sweep, store, clock)
    except DetectorError as error:
        return LeftOut(model.name, str(error))


def _sweep(
    model: LabelledModel,
    checked: CheckedModel,
    architecture: str,
    images: ChosenExamples,
    sweep: Sweep,
    store: Store,
    clock: Clock,
) -> ModelReadings:
    record = checked.record
    shelf = store.shelf(record.sha256, sweep.preprocessing.name)
    network = _Network(record, architecture, images, shelf, clock)
    unpruned = network.unpruned()
    answers = network.variants(sweep.thetas)
    read = [_read(network, unpruned, choice, answers, sweep.probes) for choice in sweep.images]
    variants = {theta: readings for one in read for theta, readings in one.variants.items()}
    labels = images.examples.labels
    untouched = untouched_readings(network.graph, record.tensors, unpruned.logits[0], labels, record.file_bytes)
    return ModelReadings(
        name=model.name,
        architecture=architecture,
        poisoned=model.poisoned,
        sha256=record.sha256,
        doubtful=clean_accuracy_finding(untouched["accuracy"], len(labels)).severity is Severity.ERROR,
        thetas=tuple(answers),
        variants=tuple(variants[theta] for theta in answers),
        seconds=tuple(one.seconds for one in answers.values()),
        numbers={name: np.stack([one.numbers[name] for one in read]) for name in read[0].numbers},
        untouched=untouched | {key: model.history[key] for key in HISTORY if key in model.history},
    )


@dataclass(frozen=True)
class _Read:
    """The signals read on one choice of images: of each theta (|S|, F), and by name (K,)."""

    variants: Mapping[Theta, _Array]
    numbers: Mapping[str, _Array]


def _read(
    network: _Network,
    unpruned: StoredLogits,
    choice: ImageChoice,
    answers: Mapping[Theta, StoredLogits],
    probes: tuple[Probe, ...],
) -> _Read:
    shown = network.images.subset(choice)
    probed = np.concatenate([network.probed(probe, choice).logits for probe in probes]) if probes else None
    before = unpruned.part((0,), shown.names).logits[0]
    context = Context(before, shown.labels, network.graph, network.record.tensors, probes, probed)
    own = {theta: one for theta, one in answers.items() if ImageChoice.of(theta) == choice}
    read = read_signals(context, [one.logits for one in own.values()])
    columns = [np.stack([one[signal] for signal in per_variant()], axis=-1) for one in read.variants]
    return _Read(dict(zip(own, columns, strict=True)), read.numbers)


class _Network:
    """One model, ready to answer; what it has answered before is taken from the shelf."""

    def __init__(
        self, record: ModelRecord, architecture: str, images: ChosenExamples, shelf: Shelf, clock: Clock
    ) -> None:
        self.record = record
        self.graph = reference_graph(architecture)
        self.images = images
        self._architecture = architecture
        self._shelf = shelf
        self._clock = clock

    @cached_property
    def _model(self) -> ModelUnderTest:
        # Imported here: a second run that finds everything measured does without torch.
        from detector.measurement.engine import PackedEngine

        endless = Budget(self._clock, self._clock.now(), math.inf)
        profile = self.images.preprocessing
        return ModelUnderTest.packed(self.record, self._architecture, profile, PackedEngine, endless, workers=1)

    def unpruned(self) -> StoredLogits:
        """Of the network as it is, to all images."""
        examples = self.images.examples
        found = self._shelf.find(None, examples.names)
        if found is None:
            began = self._clock.now()
            measured = self._model.unpruned(examples)
            assert measured is not None  # the budget is endless, here and below
            found = StoredLogits(examples.names, measured[None], self._clock.now() - began)
            self._shelf.put(None, found)
        return found

    def variants(self, thetas: Sequence[Theta]) -> dict[Theta, StoredLogits]:
        """Of the variants of each theta to its images, without thetas that cannot be done to such a network.

        Raises
        ------
        UnsupportedNetworkError
            None of them can.
        """
        answers: dict[Theta, StoredLogits] = {}
        unsupported: UnsupportedNetworkError | None = None
        for theta in thetas:
            try:
                answers[theta] = self._pruned(theta, thetas)
            except UnsupportedNetworkError as error:
                unsupported = error
                _log.warning("%s is left out for %s: %s", theta.pruning_method, self._architecture, error.what)
        if unsupported is not None and not answers:
            raise unsupported
        return answers

    def probed(self, probe: Probe, choice: ImageChoice) -> StoredLogits:
        """Of the network as it is, to what becomes of these images."""
        examples = self.images.subset(choice)
        found = self._shelf.find(probe, examples.names)
        if found is None:
            began = self._clock.now()
            measured = self._model.measured(iter(()), 0, examples, (probe,))
            assert measured is not None
            found = StoredLogits(examples.names, measured[1], self._clock.now() - began)
            self._shelf.put(probe, found)
        return found

    def _pruned(self, theta: Theta, thetas: Sequence[Theta]) -> StoredLogits:
        """What the other thetas need of the same variants is measured too."""
        names = self.images.subset(ImageChoice.of(theta)).names
        found = self._shelf.find(theta, names)
        if found is None:
            self._measure(theta, [other for other in thetas if _without_sizes(other) == _without_sizes(theta)])
            found = self._shelf.find(theta, names)
            assert found is not None
        return found

    def _measure(self, theta: Theta, alike: Sequence[Theta]) -> None:
        """Measure the largest |S| of which that of `theta` is a part, on the images of all that are `alike`."""
        largest = max(
            (one for one in alike if thinned(one, theta.num_pruned_models) is not None),
            key=lambda one: one.num_pruned_models,
        )
        chosen = self.images.subset(*map(ImageChoice.of, alike))
        began = self._clock.now()
        measured = self._model.measured(self._model.variants((largest,)), largest.num_pruned_models, chosen)
        assert measured is not None
        self._shelf.put(largest, StoredLogits(chosen.names, measured[0], self._clock.now() - began))


def _without_sizes(theta: Theta) -> Theta:
    return replace(theta, num_pruned_models=1, num_images=1)
