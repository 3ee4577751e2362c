"""Carries out a command: everything between a parsed command line and the text to print.

Owns the promises about files: the result file holds a neutral 0.5 from the start and an answer only when there is
one, and the scratch folder holds a report of every run, failed ones too. A scratch folder that cannot be written
costs the report, never the answer.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np

from detector.base.clock import Budget, Clock
from detector.base.errors import DetectorError, ExitCode, ParametersError, UsageError, printable
from detector.base.files import NEUTRAL, write_file, write_probability
from detector.commands.cli import Command, ConfigureCommand, InferCommand, InspectCommand
from detector.commands.compare_arguments import CompareCommand
from detector.commands.detect import Detection, Request
from detector.commands.evaluate_arguments import EvaluateCommand, MergeCommand
from detector.commands.inspect import inspect_model, inspection_text
from detector.commands.outputs import LOGITS, REPORT, begin_outputs
from detector.commands.settings import load_settings, metaparameters_with_bundle
from detector.measurement.model_under_test import MeasuredLogits
from detector.report.report import Basis, Report, report_text, to_plain, write_report

_log = logging.getLogger(__name__)

_METAPARAMETERS = "metaparameters.json"


def run(command: Command, clock: Clock, started: float) -> str:
    """Carry out the command and return what to print. `started` is when the process began, on `clock`.

    Raises
    ------
    DetectorError
        With the exit code that the process should end with.
    """
    if isinstance(command, InspectCommand):
        inspection = inspect_model(command.model_filepath)
        return json.dumps(to_plain(inspection), indent=2) if command.as_json else inspection_text(inspection)
    if isinstance(command, ConfigureCommand):
        return _configure(command, clock)
    if isinstance(command, EvaluateCommand | MergeCommand):
        return _evaluate(command, clock)
    if isinstance(command, CompareCommand):
        return _compare(command)
    return _infer(command, clock, started)


def _configure(command: ConfigureCommand, clock: Clock) -> str:
    from detector.commands.configure import BUNDLE, ConfigureRequest, configure, outcome_text
    from detector.commands.train_settings import load_train_settings

    logging.getLogger("detector").setLevel(logging.INFO)  # it may take hours: progress is told
    _warn_of_unknown(command.unknown_options)
    files = command.metaparameters_filepath, command.schema_filepath
    settings = load_train_settings(*files)
    metaparameters = metaparameters_with_bundle(*files, BUNDLE)
    learned = command.learned_parameters_dirpath
    request = ConfigureRequest(
        command.configure_models_dirpath,
        learned,
        command.scratch_dirpath,
        command.automatic_configuration,
        command.workers,
    )
    outcome = configure(request, settings, clock)
    _write_metaparameters(learned / _METAPARAMETERS, metaparameters)
    if command.metaparameters_given:
        _save(command.metaparameters_filepath, metaparameters)
    return outcome_text(outcome)


def _evaluate(command: EvaluateCommand | MergeCommand, clock: Clock) -> str:
    from detector.commands.evaluate import EvaluateRequest, Shard, evaluate, evaluation_text, merge

    if isinstance(command, MergeCommand):
        return evaluation_text(merge(command.round_dirpath, command.output_dirpath))
    logging.getLogger("detector").setLevel(logging.INFO)  # it may take hours: progress is told
    settings = load_settings(command.metaparameters_filepath, command.schema_filepath)
    settings = replace(
        settings, bundle=command.bundle or settings.bundle, max_seconds=command.seconds or settings.max_seconds
    )
    shard = Shard.parse(command.shard) if command.shard else None
    request = EvaluateRequest(command.round_dirpath, command.output_dirpath, command.learned_parameters_dirpath, shard)
    try:
        return evaluation_text(evaluate(request, settings, command.workers, clock))
    except KeyboardInterrupt:
        _log.warning("interrupted: the same command goes on where it stopped")
        raise


def _compare(command: CompareCommand) -> str:
    from detector.commands.compare import compared_text

    return compared_text(command.first, command.second, as_json=command.as_json)


def _write_metaparameters(path: Path, content: bytes) -> None:
    try:
        write_file(path, content)
    except UsageError as error:
        raise ParametersError(
            error.what, where=error.where, expected=error.expected, next_step=error.next_step
        ) from error


def _warn_of_unknown(options: tuple[str, ...]) -> None:
    if options:
        _log.warning("ignored unknown options: %s", printable(" ".join(options)))


def _infer(command: InferCommand, clock: Clock, started: float) -> str:
    detection: Detection | None = None
    try:
        begin_outputs(command)
        _warn_of_unknown(command.unknown_options)
        settings = load_settings(command.metaparameters_filepath, command.schema_filepath)
        request = Request(command.model_filepath, command.examples_dirpath, command.learned_parameters_dirpath)
        detection = Detection(request, settings, Budget(clock, started, settings.max_seconds))
        report = detection.run()
        report = replace(report, timings={**report.timings, "total": clock.now() - started})
        text = report_text(report)
        _save_report(command.scratch_dirpath, report)
        if settings.save_logits and detection.logits is not None:
            _save(command.scratch_dirpath / LOGITS, _npz(detection.logits))
        if command.features_filepath is not None and report.signal_vector is not None:
            _save(command.features_filepath, _features(report))
        write_probability(command.result_filepath, report.probability)  # last: nothing can fail after it
    except Exception as error:
        with contextlib.suppress(Exception):  # the first error is the one to tell
            known = detection.report if detection else Report(NEUTRAL, Basis.NEUTRAL)
            _save_report(command.scratch_dirpath, _failure(known, error))
        raise
    return text


def _failure(report: Report, error: Exception) -> Report:
    code = error.exit_code if isinstance(error, DetectorError) else ExitCode.INTERNAL
    text = str(error) if isinstance(error, DetectorError) else printable(f"{type(error).__name__}: {error}")
    return replace(report, probability=NEUTRAL, basis=Basis.NEUTRAL, exit_code=code, error=text)


def _save_report(scratch: Path, report: Report) -> None:
    try:
        write_report(scratch / REPORT, report)
    except UsageError as error:
        _log.warning("no report: %s", error)


def _save(path: Path, content: bytes) -> None:
    try:
        write_file(path, content)
    except UsageError as error:
        _log.warning("not saved: %s", error)


def _npz(logits: MeasuredLogits) -> bytes:
    file = io.BytesIO()
    names = np.array(logits.names)
    np.savez_compressed(file, unpruned=logits.unpruned, pruned=logits.pruned, labels=logits.labels, names=names)
    return file.getvalue()


def _features(report: Report) -> bytes:
    """Two rows, names and values, as the container API asks for."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(report.features or ())
    writer.writerow([repr(value) for value in report.signal_vector or ()])
    return file.getvalue().encode()
