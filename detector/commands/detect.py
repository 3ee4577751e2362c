"""One detection, as a story: load, check, measure, classify.

The order is the order of trust: nothing of the model file is used before it has been parsed to inert records and
checked against the reference architectures, and nothing is measured before the learned parameters for it are known
to be valid. What takes long and waits for nothing goes on beside it: importing torch, the checksum of the file.
`Detection.report` always holds what is known so far, so that a failure can be reported as well.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.base.background import Ahead, in_background
from detector.base.clock import Budget
from detector.base.cpus import usable_cpus
from detector.base.errors import DeadlineError, ExamplesError
from detector.base.files import NEUTRAL
from detector.base.findings import Finding, Json, Severity
from detector.base.process import without_garbage_collection
from detector.commands.settings import Settings
from detector.examples.images import Examples, Listing, decode, list_examples, select, shortage, takes_any
from detector.graph.ir import Graph
from detector.graph.reference import load_references, reference_graph
from detector.mapping.bundles import Bundle, load_bundle, load_parameters
from detector.mapping.parameters import Clip, Configuration, LearnedParameters
from detector.mapping.predict import predict
from detector.measurement.measure import Engine, Measurer
from detector.model_file import read_model
from detector.model_file.records import ModelRecord
from detector.pruning.variant import Variant
from detector.pruning.variants import Rankings, make_variants
from detector.quality.accuracy import clean_accuracy_finding
from detector.quality.check import check_model
from detector.quality.structure import Identification
from detector.report.report import Basis, MappingSummary, ModelSummary, Report
from detector.rounds.preprocessing import PROFILES, Preprocessing
from detector.signals.features import feature_vector, make_features
from detector.signals.reading import read_signals, unpruned_readings
from detector.signals.registry import Context, per_variant

# Pixels a side, of the architectures that not every profile has enough of: a kernel would be larger than what is left.
SMALLEST_INPUT: Mapping[str, int] = MappingProxyType({"inceptionv3": 75})

_MOST_WORKERS = 8  # unless more are asked for: of VGG16, with ten images, each takes 0.2 GB
_ENGINE = "detector.measurement.engine"
_MakeEngine = Callable[[Graph, Mapping[str, NDArray[Any]]], Engine]


@dataclass(frozen=True)
class Request:
    """Where the inputs of a detection are."""

    model_filepath: Path
    examples_dirpath: Path
    learned_parameters_dirpath: Path


@dataclass(frozen=True)
class Logits:
    """All that was measured: unpruned (N, classes), pruned (variants, N, classes), labels (N,), file names (N)."""

    unpruned: NDArray[np.float32]
    pruned: NDArray[np.float32]
    labels: NDArray[np.int64]
    names: tuple[str, ...]


class Detection:
    """A single run. `report` grows as stages complete; `logits` is set once the variants are measured."""

    def __init__(
        self, request: Request, settings: Settings, budget: Budget, progress: Callable[[str], None] | None = None
    ) -> None:
        self._request = request
        self._settings = settings
        self._budget = budget
        self._progress = progress  # is told of each stage as it begins
        self._known = Report(NEUTRAL, Basis.NEUTRAL, budget_seconds=budget.seconds)
        self._record: ModelRecord | None = None
        self._identification: Identification | None = None
        self._rankings: Rankings = {}
        self._unpruned: tuple[NDArray[np.float32], Examples] | None = None  # of the configuration tried last
        self.logits: Logits | None = None

    @property
    def report(self) -> Report:
        """What is known so far. It waits for the checksum of the file, which is computed beside everything else."""
        if self._record is None:
            return self._known
        found = self._identification
        architecture = found.architecture.name if found and found.architecture else None
        summary = ModelSummary.of(
            self._request.model_filepath, self._record, architecture, found.num_classes if found else None
        )
        return replace(self._known, model=summary)

    def run(self) -> Report:
        """Judge the model.

        Raises
        ------
        ModelRefusedError, ExamplesError, ParametersError
            The input named by the error cannot be used.
        DeadlineError
            The budget ended before anything was measured.
        """
        engine = in_background(_import_engine)
        bundle = load_bundle(self._request.learned_parameters_dirpath, self._settings.bundle)
        with self._stage("load"):
            record = self._record = read_model(self._request.model_filepath)
        with self._stage("check"):
            identification = self._identification = self._check(record)
        if identification.architecture is None:
            tampered = identification.tampered
            probability = self._settings.tampered_probability if tampered else bundle.base_rate
            basis = Basis.TAMPERED if tampered else Basis.UNKNOWN_ARCHITECTURE
            self._tell(probability=_clipped(probability, Clip()), basis=basis)
            return self.report
        name = identification.architecture.name
        parameters = load_parameters(self._request.learned_parameters_dirpath, self._settings.bundle, name)
        if parameters is None:
            self._find(_nothing_learned(bundle, name))
            self._tell(probability=_clipped(bundle.base_rate, Clip()), basis=Basis.BASE_RATE)
        else:
            self._measure(record, identification, bundle, parameters, engine)
        return self.report

    def _check(self, record: ModelRecord) -> Identification:
        quality = check_model(record, load_references())
        self._find(*quality.findings, *(Finding(Severity.INFO, "note", note) for note in record.notes))
        return quality.identification

    def _measure(
        self,
        record: ModelRecord,
        identification: Identification,
        bundle: Bundle,
        parameters: LearnedParameters,
        engine: Future[_MakeEngine],
    ) -> None:
        with self._stage("examples"):
            examples, selections = self._examples(identification, parameters)
        configurations = _costliest_first(parameters.configurations)
        with self._stage("engine"):
            measurer = self._measurer(record, parameters.architecture, engine)
        if measurer is None:
            left = self._budget.remaining()
            self._find(*(_dropped(configuration, 0.0, left, begun=False) for configuration in configurations))
            raise self._too_late()
        for configuration in configurations:
            chosen = examples.subset(selections[configuration])
            self.logits = self._measured(measurer, record, parameters.architecture, configuration, chosen)
            if self.logits is not None:
                self._check_accuracy(self.logits.unpruned, chosen)
                self._classify(record, bundle, parameters, configuration)
                return
        self._answer_base_rate(measurer, parameters, chosen)  # the last one is the cheapest

    def _examples(
        self, identification: Identification, parameters: LearnedParameters
    ) -> tuple[Examples, dict[Configuration, tuple[int, ...]]]:
        """All images that any configuration asks for, decoded once, and which of them each one uses."""
        named = self._settings.preprocessing
        listing = list_examples(self._request.examples_dirpath, identification.num_classes)
        preprocessing = _fitting(PROFILES[named] if named else parameters.preprocessing, listing)
        if preprocessing != parameters.preprocessing:
            self._find(_preprocessed_otherwise(preprocessing, parameters.preprocessing))
        if preprocessing.crop < SMALLEST_INPUT.get(parameters.architecture, 0):
            raise _too_small(parameters.architecture, preprocessing, self._request.examples_dirpath)
        selections = {
            configuration: select(listing, configuration.num_images, configuration.rule)
            for configuration in parameters.configurations
        }
        examples = decode(listing, sorted(set().union(*selections.values())), preprocessing)
        self._find(*examples.findings)
        self._tell(preprocessing=preprocessing, examples=examples.names)
        return examples, selections

    def _measurer(self, record: ModelRecord, architecture: str, engine: Future[_MakeEngine]) -> Measurer | None:
        """None where the budget ends before the engine can be used."""
        try:
            make = engine.result(self._budget.patience())
        except TimeoutError:
            return None
        made = make(reference_graph(architecture), record.tensors)
        workers = self._settings.threads or min(usable_cpus(), _MOST_WORKERS)
        return Measurer(made, self._budget, workers=workers)

    def _too_late(self) -> DeadlineError:
        return DeadlineError(
            f"{self._budget.elapsed():.1f} s had passed, and nothing can be measured in what is left",
            where=self._request.model_filepath,
            expected=f"an answer within {self._budget.seconds:g} s",
            next_step="raise infer_max_seconds in metaparameters.json, or use a faster machine",
        )

    def _measured(
        self,
        measurer: Measurer,
        record: ModelRecord,
        architecture: str,
        configuration: Configuration,
        chosen: Examples,
    ) -> Logits | None:
        """All logits, or None where the configuration does not fit what is left of the budget."""
        number, graph = sum(configuration.num_pruned_models), reference_graph(architecture)
        variants: Iterable[Variant] = chain.from_iterable(
            make_variants(record.tensors, graph, theta, self._rankings) for theta in configuration.thetas
        )
        if not measurer.image_seconds and usable_cpus() > 1:  # later configurations find rankings, or are not begun
            variants = Ahead(variants)
        unpruned = self._unpruned_logits(measurer, chosen, number)
        needed = measurer.predicted_seconds(number + (unpruned is None), len(chosen))
        begun = unpruned is not None and measurer.fits(number, len(chosen))
        if unpruned is not None and begun:
            record.hashing.result()  # done by now, or else the time for it is taken here, where it is counted
            with self._stage("variants"):
                pruned = measurer.variants(variants, number, chosen.images)
            if pruned is not None:
                return Logits(unpruned, pruned, chosen.labels, chosen.names)
        self._find(_dropped(configuration, needed, self._budget.remaining(), begun=begun))
        return None

    def _unpruned_logits(
        self, measurer: Measurer, chosen: Examples, num_variants: int = 0
    ) -> NDArray[np.float32] | None:
        """Of the images, measured unless another configuration has had the same ones; None where that does not fit."""
        if self._unpruned is None or self._unpruned[1].names != chosen.names:
            with self._stage("unpruned"):
                logits = measurer.unpruned(chosen.images, num_variants)
            if logits is None:
                return None
            self._unpruned = logits, chosen
        return self._unpruned[0]

    def _check_accuracy(self, unpruned: NDArray[np.float32], chosen: Examples) -> None:
        accuracy = float(unpruned_readings(unpruned, chosen.labels, ("accuracy",))[0])
        self._find(clean_accuracy_finding(accuracy, len(chosen)))
        self._tell(unpruned_accuracy=accuracy, examples=chosen.names)

    def _answer_base_rate(self, measurer: Measurer, parameters: LearnedParameters, chosen: Examples) -> None:
        """Where no configuration fits: at least it is known whether the network classifies images."""
        if self._unpruned is None and self._unpruned_logits(measurer, chosen) is None:
            raise self._too_late()
        assert self._unpruned is not None
        self._check_accuracy(*self._unpruned)
        self._find(_out_of_time(self._budget, measurer.image_seconds))
        self._tell(probability=_clipped(parameters.base_rate, parameters.clip), basis=Basis.BASE_RATE)

    def _classify(
        self, record: ModelRecord, bundle: Bundle, parameters: LearnedParameters, configuration: Configuration
    ) -> None:
        assert self.logits is not None
        logits = self.logits
        graph = reference_graph(parameters.architecture)
        by_theta = np.split(logits.pruned, np.cumsum(configuration.num_pruned_models)[:-1])
        read = read_signals(Context(logits.unpruned, logits.labels, graph, record.tensors), by_theta)
        features = make_features(configuration.signals, configuration.reduction, configuration.num_pruned_models)
        vector = feature_vector(features, read.variants, read.numbers)
        prediction = predict(configuration, vector.tolist(), parameters.clip)
        self._find(*shortage(configuration.num_images, len(logits.names)))
        by_signal = {name: np.concatenate([one[name] for one in read.variants]).tolist() for name in per_variant()}
        self._tell(
            probability=prediction.probability,
            basis=Basis.MEASURED,
            examples=logits.names,
            thetas=configuration.thetas,
            signals=configuration.signals,
            reduction=configuration.reduction,
            readings={**by_signal, **{signal: numbers.tolist() for signal, numbers in read.numbers.items()}},
            features=configuration.features,
            signal_vector=tuple(vector.tolist()),
            prediction=prediction,
            mapping=MappingSummary.of(bundle, parameters, configuration),
        )

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        if self._progress is not None:
            self._progress(name)
        began = self._budget.elapsed()
        try:
            yield
        finally:
            taken = self._known.timings.get(name, 0.0) + self._budget.elapsed() - began
            self._tell(timings={**self._known.timings, name: taken})

    def _tell(self, **known: Any) -> None:
        self._known = replace(self._known, **known)

    def _find(self, *findings: Finding) -> None:
        self._tell(findings=(*self._known.findings, *findings))


def _import_engine() -> _MakeEngine:
    """It takes a second: torch. Reading and checking the file goes on meanwhile, and needs none of it."""
    with nullcontext() if _ENGINE in sys.modules else without_garbage_collection():
        make: _MakeEngine = importlib.import_module(_ENGINE).PackedEngine  # waits where another thread imports it
    return make


def _costliest_first(configurations: Sequence[Configuration]) -> list[Configuration]:
    return sorted(configurations, key=lambda configuration: -configuration.cost)


def _clipped(probability: float, clip: Clip) -> float:
    return min(max(probability, clip.low), clip.high)


def _nothing_learned(bundle: Bundle, architecture: str) -> Finding:
    message = f"the bundle {bundle.name} holds nothing for {architecture}: the answer is its base rate"
    return Finding(Severity.WARNING, "nothing_learned", message, {"bundle": bundle.name, "architecture": architecture})


def _fitting(wanted: Preprocessing, listing: Listing) -> Preprocessing:
    """The profile to measure with: the wanted one, unless it takes no image and one of a round of another size does."""
    candidates = (wanted, PROFILES["round2"], PROFILES["small"])
    return next((profile for profile in candidates if takes_any(listing, profile)), wanted)


def _preprocessed_otherwise(used: Preprocessing, fitted: Preprocessing) -> Finding:
    evidence: dict[str, Json] = {"used": used.name, "fitted": fitted.name}
    if used.crop == fitted.crop:
        message = f"images are preprocessed as {used.name}, the regression was fitted on {fitted.name}"
        return Finding(Severity.WARNING, "preprocessing_overridden", message, evidence)
    message = (
        f"the network sees images of {used.crop} x {used.crop} pixels, the parameters were learned on images of "
        f"{fitted.crop} x {fitted.crop}: the answer is not validated for this size"
    )
    return Finding(Severity.WARNING, "other_image_size", message, evidence)


def _too_small(architecture: str, preprocessing: Preprocessing, directory: Path) -> ExamplesError:
    return ExamplesError(
        f"images of {preprocessing.crop} x {preprocessing.crop} pixels are too small for {architecture}",
        where=directory,
        expected=f"at least {SMALLEST_INPUT[architecture]} pixels a side",
        next_step="give the examples that the model came with",
    )


def _dropped(configuration: Configuration, needed: float, remaining: float, *, begun: bool) -> Finding:
    pruned_models, images = sum(configuration.num_pruned_models), configuration.num_images
    left = f"{max(remaining, 0):.1f} s were left"
    if begun:
        reason = f"about {needed:.1f} s were foreseen, but it took longer, and when it was given up {left}"
    elif needed:
        reason = f"it takes about {needed:.1f} s, margin included, {left}"
    else:
        reason = f"{left}, too few to learn how long it takes"
    message = f"the configuration of {pruned_models} pruned models on {images} images was dropped: {reason}"
    evidence = {"cost": configuration.cost, "needed_seconds": needed, "remaining_seconds": remaining}
    return Finding(Severity.WARNING, "configuration_dropped", message, evidence)


def _out_of_time(budget: Budget, image_seconds: float) -> Finding:
    message = "no configuration fits the time budget: the answer is the base rate, raise infer_max_seconds"
    evidence = {"budget_seconds": budget.seconds, "image_seconds": image_seconds}
    return Finding(Severity.ERROR, "out_of_time", message, evidence)
