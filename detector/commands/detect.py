"""One detection, as a story: load, check, measure, classify.

The order is the order of trust: nothing of the model file is used before it has been parsed to inert records and
checked against the reference architectures, and nothing is measured before the learned parameters for it are known
to be valid. What takes long and waits for nothing goes on beside it: importing torch, the checksum of the file.
`Detection.report` always holds what is known so far, so that a failure can be reported as well.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from detector.base.background import in_background
from detector.base.budget import Budget
from detector.base.cpus import usable_cpus
from detector.base.errors import DeadlineError, ExamplesError
from detector.base.findings import Finding, Severity
from detector.base.process import without_garbage_collection
from detector.commands.account import Account
from detector.commands.attempts import Attempts, costliest_first, dropping, with_enough_examples
from detector.commands.classify import classify
from detector.commands.first_profile import first_profile, is_found
from detector.commands.profile_search import ProfileSearch
from detector.commands.remarks import nothing_learned, out_of_time, preprocessed_otherwise
from detector.commands.settings import Settings
from detector.examples.choice import ImageChoice
from detector.examples.chosen import ChosenExamples
from detector.examples.listing import Listing, list_examples
from detector.examples.own_labels import own_labels, own_labels_finding
from detector.mapping.bundles import Bundle, load_bundle, load_parameters
from detector.mapping.configuration import Clip, Configuration
from detector.mapping.parameters import LearnedParameters
from detector.measurement.confinement import UNCONFINED, Confinement, confinement_of_process
from detector.measurement.model_under_test import MakeEngine, MeasuredLogits, ModelUnderTest
from detector.model_file import ModelRecord, SavedModel, read_model
from detector.quality.accuracy import clean_accuracy_finding
from detector.quality.checked_model import CheckedModel
from detector.quality.structure import Identification
from detector.report.report import Basis, MappingSummary, ModelSummary, Report
from detector.rounds.preparation import AS_THEY_ARE, Preparation
from detector.rounds.preprocessing import Preprocessing
from detector.signals.reading import unpruned_readings

# Pixels a side, of the architectures that not every profile has enough of: a kernel would be larger than what is left.
SMALLEST_INPUT: Mapping[str, int] = MappingProxyType({"inceptionv3": 75})

_MOST_WORKERS = 8  # unless more are asked for: of VGG16, with ten images, each takes 0.2 GB
_ENGINE = "detector.measurement.engine"


@dataclass(frozen=True)
class Request:
    """Where the inputs of a detection are, how its images are prepared otherwise than the settings say, and where the
    files are parsed: None for the sandbox that this process keeps.
    """

    model: Path | SavedModel
    examples_dirpath: Path
    learned_parameters_dirpath: Path
    preparation: Preparation = AS_THEY_ARE
    confinement: Confinement | None = None


class Detection:
    """A single run. `report` grows as stages complete; `logits` is set once a configuration is measured."""

    def __init__(
        self, request: Request, settings: Settings, budget: Budget, progress: Callable[[str], None] | None = None
    ) -> None:
        self._request = request
        self._settings = settings
        self._budget = budget
        self._account = Account(budget, progress)
        self._confinement = UNCONFINED
        self._record: ModelRecord | None = None
        self._identification: Identification | None = None
        self.logits: MeasuredLogits | None = None

    @property
    def report(self) -> Report:
        """What is known so far. It waits for the checksum of the file, which is computed beside everything else."""
        if self._record is None:
            return self._account.report
        found = self._identification
        architecture = found.architecture.name if found and found.architecture else None
        summary = ModelSummary.of(self._request.model, self._record, architecture, found.num_classes if found else None)
        return replace(self._account.report, model=summary)

    def run(self) -> Report:
        """Judge the model.

        Raises
        ------
        ModelRefusedError, ExamplesError, ParametersError
            The input named by the error cannot be used.
        DeadlineError
            The budget ended before anything was measured.
        """
        self._confinement = self._request.confinement or confinement_of_process()  # before there are threads
        engine = in_background(_import_engine)
        bundle = load_bundle(self._request.learned_parameters_dirpath, self._settings.bundle)
        with self._account.stage("load"):
            record = self._record = _read(self._request.model, self._confinement, self._account)
        with self._account.stage("check"):
            identification = self._identification = self._check(record)
        if identification.architecture is None:
            self._answer_unmeasured(identification, bundle)
            return self.report
        name = identification.architecture.name
        parameters = load_parameters(self._request.learned_parameters_dirpath, self._settings.bundle, name)
        if parameters is None:
            self._account.find(nothing_learned(bundle, name))
            self._account.tell(probability=Clip()(bundle.base_rate), basis=Basis.BASE_RATE)
        else:
            self._measure(record, identification, bundle, parameters, engine)
        return self.report

    def _check(self, record: ModelRecord) -> Identification:
        checked = CheckedModel.of(record)
        self._account.find(*checked.findings, *(Finding(Severity.INFO, "note", note) for note in record.notes))
        return checked.identification

    def _answer_unmeasured(self, identification: Identification, bundle: Bundle) -> None:
        """Where the network is none that could be measured."""
        tampered = identification.tampered
        probability = self._settings.tampered_probability if tampered else bundle.base_rate
        basis = Basis.TAMPERED if tampered else Basis.UNKNOWN_ARCHITECTURE
        self._account.tell(probability=Clip()(probability), basis=basis)

    def _measure(
        self,
        record: ModelRecord,
        identification: Identification,
        bundle: Bundle,
        parameters: LearnedParameters,
        engine: Future[MakeEngine],
    ) -> None:
        configurations: Sequence[Configuration] = costliest_first(parameters.configurations)
        with self._account.stage("examples"), dropping(configurations, self._budget, self._account):
            listing = list_examples(self._request.examples_dirpath, identification.num_classes, photographs=True)
            examples = self._examples(listing, parameters)
        configurations = with_enough_examples(configurations, len(listing))
        with self._account.stage("engine"):
            model = self._model(record, parameters.architecture, examples.preprocessing, engine)
        if model is None:
            with dropping(configurations, self._budget, self._account):
                raise _too_late(self._budget, self._request.model)
        search = None
        if listing.labelled and is_found(parameters, self._settings.preprocessing, self._request.preparation):
            smallest = SMALLEST_INPUT.get(parameters.architecture, 0)
            choices = tuple(one.images for one in configurations)
            search = ProfileSearch(listing, identification.num_classes, smallest, choices, self._budget)
        attempts = Attempts(model, examples, self._budget, self._account, search)
        measured = attempts.first_that_fits(configurations)
        if measured is None:
            self._answer_base_rate(attempts, parameters, configurations[-1].images)
            return
        configuration, self.logits = measured
        self._check_answers(self.logits.unpruned, self.logits.labels, self.logits.names, labelled=listing.labelled)
        answer = classify(attempts.model, self.logits, parameters, configuration)
        self._account.find(*answer.findings)
        self._account.tell(mapping=MappingSummary.of(bundle, parameters, configuration), **answer.known)

    def _examples(self, listing: Listing, parameters: LearnedParameters) -> ChosenExamples:
        """All images that any configuration asks for, preprocessed as they can be."""
        named, preparation = self._settings.preprocessing, self._request.preparation
        preprocessing = first_profile(listing, parameters, named, preparation)
        if preprocessing != parameters.preprocessing:
            sizes = parameters.provenance.sizes
            remark = preprocessed_otherwise(preprocessing, parameters.preprocessing, sizes)
            self._account.find(*([remark] if remark else []))
        if preprocessing.crop < SMALLEST_INPUT.get(parameters.architecture, 0):
            raise _too_small(parameters.architecture, preprocessing, self._request.examples_dirpath)
        choices = [one.images for one in parameters.configurations]
        chosen = ChosenExamples.of(listing, choices, preprocessing, self._budget, self._confinement.sandbox)
        self._account.find(*chosen.examples.findings)
        self._account.tell(preprocessing=preprocessing, examples=chosen.examples.names)
        return chosen

    def _model(
        self, record: ModelRecord, architecture: str, preprocessing: Preprocessing, engine: Future[MakeEngine]
    ) -> ModelUnderTest | None:
        """None where the budget ends before the engine can be used."""
        try:
            make = engine.result(self._budget.patience())
        except TimeoutError:
            return None
        workers = self._settings.threads or min(usable_cpus(), _MOST_WORKERS)
        return ModelUnderTest.packed(record, architecture, preprocessing, make, self._budget, workers)

    def _check_answers(
        self, unpruned: NDArray[np.float32], labels: NDArray[np.int64], names: tuple[str, ...], *, labelled: bool
    ) -> None:
        if not labelled:
            self._account.find(own_labels_finding(own_labels(unpruned), unpruned.shape[1]))
            self._account.tell(examples=names)
            return
        accuracy = float(unpruned_readings(unpruned, labels, ("accuracy",))[0])
        self._account.find(clean_accuracy_finding(accuracy, len(names)))
        self._account.tell(unpruned_accuracy=accuracy, examples=names)

    def _answer_base_rate(self, attempts: Attempts, parameters: LearnedParameters, cheapest: ImageChoice) -> None:
        """Where no configuration fits: at least it is known whether the network classifies images."""
        if attempts.model.answered is None and attempts.unpruned(cheapest) is None:
            raise _too_late(self._budget, self._request.model)
        assert attempts.model.answered is not None
        unpruned, shown = attempts.model.answered
        self._check_answers(unpruned, shown.labels, shown.names, labelled=shown.labelled)
        self._account.find(out_of_time(self._budget, attempts.model.measurer.image_seconds))
        self._account.tell(probability=parameters.clip(parameters.base_rate), basis=Basis.BASE_RATE)


def _read(model: Path | SavedModel, confinement: Confinement, account: Account) -> ModelRecord:
    """Also of a file that is refused it is told where that was parsed."""
    try:
        return read_model(model, sandbox=confinement.sandbox)
    finally:
        account.find(*confinement.findings())


def _import_engine() -> MakeEngine:
    """It takes a second: torch. Reading and checking the file goes on meanwhile, and needs none of it."""
    with nullcontext() if _ENGINE in sys.modules else without_garbage_collection():
        make: MakeEngine = importlib.import_module(_ENGINE).PackedEngine  # waits where another thread imports it
    return make


def _too_small(architecture: str, preprocessing: Preprocessing, directory: Path) -> ExamplesError:
    return ExamplesError(
        f"images of {preprocessing.crop} x {preprocessing.crop} pixels are too small for {architecture}",
        where=directory,
        expected=f"at least {SMALLEST_INPUT[architecture]} pixels a side",
        next_step="give the examples that the model came with",
    )


def _too_late(budget: Budget, model: Path | SavedModel) -> DeadlineError:
    return DeadlineError(
        f"{budget.elapsed():.1f} s had passed, and nothing can be measured in what is left",
        where=model,
        expected=f"an answer within {budget.seconds:g} s",
        next_step="raise infer_max_seconds in metaparameters.json, or use a faster machine",
    )
