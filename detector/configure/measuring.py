"""Measures labelled models: the signal vector of each one's pruned variants under one theta, kept for a second run.

Every model takes the same way as in a detection: parsed, checked, never unpickled. A model that is refused, tampered
with, or has no usable example is left out with its reason. Models follow one another, variants spread over workers.
"""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from detector import __version__
from detector.clock import Budget, Clock
from detector.configure.rounds import LabelledModel, LeftOut
from detector.cpus import usable_cpus
from detector.errors import DetectorError
from detector.examples.images import Examples, load_examples
from detector.examples.preprocessing import Preprocessing
from detector.findings import Severity
from detector.graph.reference import load_references, reference_graph
from detector.mapping.signals import Signal, measure
from detector.measurement.measure import Measurer
from detector.model_file import read_model
from detector.model_file.records import ModelRecord
from detector.pruning.theta import Theta
from detector.pruning.variants import make_variants
from detector.quality.accuracy import clean_accuracy_finding
from detector.quality.check import check_model

_log = logging.getLogger(__name__)

_CACHE = "measurements.jsonl"


@dataclass(frozen=True)
class Measurement:
    """How models are measured: everything that the signal vector depends on besides the model and its images."""

    theta: Theta
    signal: Signal
    preprocessing: Preprocessing


@dataclass(frozen=True)
class Reading:
    """What was measured of one model: its signal vector, and how accurate it was before pruning."""

    vector: tuple[float, ...]
    unpruned_accuracy: float


@dataclass(frozen=True)
class MeasuredModel:
    """A model with its reading; `doubtful` where it fails at its clean examples even before pruning."""

    name: str
    architecture: str
    poisoned: bool
    reading: Reading
    doubtful: bool


class Store:
    """Readings by what they depend on, one JSON line each in the scratch folder.

    A line that a kill cut short is skipped. A folder that cannot be written costs the store, never the run.
    """

    def __init__(self, scratch: Path | None) -> None:
        self._path = scratch / _CACHE if scratch else None
        self._known = _known(self._path) if self._path else {}

    def get(self, key: str) -> Reading | None:
        """The reading, if there is one."""
        return self._known.get(key)

    def put(self, key: str, reading: Reading) -> None:
        """Keep a reading, durably where that is possible."""
        self._known[key] = reading
        if self._path is None:
            return
        line = json.dumps({"key": json.loads(key), "reading": asdict(reading)})
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"\n{line}\n")  # the line before may have been cut short
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            _log.warning("measurements are not kept, an interrupted run starts anew: %s", error)
            self._path = None


def _known(path: Path) -> dict[str, Reading]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    return dict(entry for entry in map(_entry, lines) if entry is not None)


def _entry(line: str) -> tuple[str, Reading] | None:
    try:
        fields = json.loads(line)
        reading = fields["reading"]
        vector = tuple(map(float, reading["vector"]))
        return _text(fields["key"]), Reading(vector, float(reading["unpruned_accuracy"]))
    except (ValueError, KeyError, TypeError):
        return None


def _text(key: Any) -> str:
    return json.dumps(key, sort_keys=True)


def _key(record: ModelRecord, examples: Examples, measurement: Measurement) -> str:
    return _text(
        {
            "model": record.sha256,
            "images": examples.names,
            "theta": asdict(measurement.theta),
            "signal": measurement.signal,
            "preprocessing": measurement.preprocessing.name,
            "version": __version__,
        }
    )


class _UnusableError(Exception):
    """This model is left out. Never leaves the module."""


def measure_models(
    models: Iterable[LabelledModel], measurement: Measurement, store: Store, clock: Clock
) -> tuple[list[MeasuredModel], list[LeftOut]]:
    """Measure the models one after the other, telling the log how far it is."""
    models = list(models)
    measured: list[MeasuredModel] = []
    left_out: list[LeftOut] = []
    seen: dict[str, str] = {}
    began = clock.now()
    for number, model in enumerate(models, start=1):
        try:
            measured.append(_measured(model, measurement, store, clock, seen))
        except (DetectorError, _UnusableError) as error:
            left_out.append(LeftOut(model.name, str(error)))
            _log.warning("%s is left out: %s", model.name, error)
        _tell(number, len(models), clock.now() - began)
    return measured, left_out


def _tell(done: int, of: int, seconds: float) -> None:
    rate = seconds / done
    _log.info("%d of %d models, %.1f s a model, about %.0f s left", done, of, rate, rate * (of - done))


def _measured(
    model: LabelledModel, measurement: Measurement, store: Store, clock: Clock, seen: dict[str, str]
) -> MeasuredModel:
    record = read_model(model.model_filepath)
    twin = seen.setdefault(record.sha256, model.name)
    if twin != model.name:  # it would sit on both sides of a fold
        raise _UnusableError(f"the same file as {twin}")
    quality = check_model(record, load_references())
    identification = quality.identification
    if identification.architecture is None:
        (verdict, *_) = [finding.message for finding in quality.findings if finding.severity is Severity.TAMPERED]
        raise _UnusableError(f"tampered with: {verdict}")
    theta = measurement.theta
    examples = load_examples(
        model.examples_dirpath, measurement.preprocessing, theta.num_images, theta.rule, identification.num_classes
    )
    key = _key(record, examples, measurement)
    reading = store.get(key)
    if reading is None:
        reading = _read(record, identification.architecture.name, examples, measurement, clock)
        store.put(key, reading)
    finding = clean_accuracy_finding(reading.unpruned_accuracy, len(examples))
    doubtful = finding.severity is Severity.ERROR
    return MeasuredModel(model.name, identification.architecture.name, model.poisoned, reading, doubtful)


def _read(
    record: ModelRecord, architecture: str, examples: Examples, measurement: Measurement, clock: Clock
) -> Reading:
    # Imported here: a second run that finds everything measured does without torch.
    from detector.measurement.engine import PackedEngine

    graph = reference_graph(architecture)
    endless = Budget(clock, clock.now(), math.inf)
    measurer = Measurer(PackedEngine(graph, record.tensors), endless, workers=usable_cpus())
    unpruned = measurer.unpruned(examples.images)
    assert unpruned is not None  # the budget is endless, here and below
    variants = make_variants(record.tensors, graph, measurement.theta)
    pruned = measurer.variants(variants, examples.images, unpruned.image_seconds)
    assert pruned is not None
    accuracy = measure(Signal.ACCURACY, unpruned.logits[None], examples.labels)[0]
    vector = measure(measurement.signal, pruned, examples.labels)
    return Reading(tuple(vector.tolist()), float(accuracy))
