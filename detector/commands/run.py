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
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from detector.base.budget import Budget
from detector.base.clock import Clock
from detector.base.errors import DetectorError, ExitCode, ParametersError, UsageError, printable
from detector.base.files import NEUTRAL, write_file, write_probability
from detector.base.log import LogFormat
from detector.base.progress import Progress, display
from detector.commands.arguments import Output
from detector.commands.cli import Command, ConfigureCommand, InferCommand, InspectCommand, ReportCommand
from detector.commands.compare_arguments import CompareCommand
from detector.commands.detect import Detection, Request
from detector.commands.evaluate_arguments import EvaluateCommand, MergeCommand
from detector.commands.inspect import inspect_model, inspection_text
from detector.commands.outputs import LOGITS, REPORT, begin_outputs
from detector.commands.settings import Settings, load_settings, metaparameters_with_bundle
from detector.commands.sources import bundle_of, metaparameters_of, named_bundle
from detector.measurement.confinement import UNCONFINED
from detector.measurement.model_under_test import MeasuredLogits
from detector.report.document import Document, read_report, to_document, to_plain, write_report
from detector.report.report import Basis, Report
from detector.report.summary import summary_text
from detector.report.text import report_text

_log = logging.getLogger(__name__)

_METAPARAMETERS = "metaparameters.json"


@dataclass(frozen=True)
class Circumstances:
    """What a run is told of its surroundings.

    `started` is when the process began, on `clock`; `date` the same for people; `words` are those of the command line;
    `colour` says whether the terminal shows colours, `terminal` whether stderr is one that shows a bar.
    """

    clock: Clock
    started: float
    date: str
    words: tuple[str, ...]
    colour: bool = False
    terminal: bool = False


@dataclass(frozen=True)
class Told:
    """What to print, and how the run ended: with which exit code, and by which error, if there was one."""

    text: str
    error: Exception | None = None
    code: ExitCode = ExitCode.ANSWERED


def run(command: Command, around: Circumstances) -> Told:
    """Carry out the command.

    Raises
    ------
    DetectorError
        With the exit code that the process should end with. `infer` tells its errors in what is returned, beside what
        there is to print of them.
    """
    match command:
        case InspectCommand():
            inspection = inspect_model(command.model_filepath, None if command.sandboxed else UNCONFINED)
            return Told(json.dumps(to_plain(inspection), indent=2) if command.as_json else inspection_text(inspection))
        case ReportCommand():
            return Told(_report(command, around))
        case ConfigureCommand():
            return _configure(command, around)
        case InferCommand():
            return _infer(command, around)
        case EvaluateCommand():
            return Told(_evaluate(command, around))
        case MergeCommand():
            return Told(_merge(command))
        case CompareCommand():
            return Told(_compare(command))


def _report(command: ReportCommand, around: Circumstances) -> str:
    document = read_report(command.report_filepath)
    if command.html_filepath is None:
        return summary_text(document, colour=around.colour)
    write_file(command.html_filepath, _page(document, command.examples_dirpath))
    return summary_text(document, report=str(command.html_filepath), colour=around.colour)


def _page(document: Document, examples: Path | None) -> bytes:
    from detector.report.html import page  # the template engine is not loaded where nobody asks for a page

    return page(document, examples).encode()


def _display(output: Output, around: Circumstances) -> AbstractContextManager[Progress]:
    """It may take hours, so progress is told unless nothing is to be told: by a bar, or lines of the log."""
    terminal = around.terminal and not output.quiet and output.log_format is LogFormat.TEXT
    if not terminal and not output.quiet:
        logging.getLogger("detector").setLevel(logging.INFO)
    return display(terminal=terminal, clock=around.clock)


def _configure(command: ConfigureCommand, around: Circumstances) -> Told:
    from detector.commands.configure import BUNDLE, ConfigureRequest, configure
    from detector.commands.outcome_text import outcome_text
    from detector.commands.train_settings import load_train_settings

    _warn_of_unknown(command.unknown_options)
    files = command.metaparameters_filepath, command.schema_filepath
    settings = load_train_settings(*files, command.changes)
    metaparameters = metaparameters_with_bundle(*files, BUNDLE, command.changes)
    updated = metaparameters_with_bundle(*files, BUNDLE) if command.updates_metaparameters else None  # without --set
    learned = command.learned_parameters_dirpath
    request = ConfigureRequest(
        command.configure_models_dirpath,
        learned,
        command.scratch_dirpath,
        command.automatic_configuration,
        command.start_from,
        command.workers,
    )
    with _display(command.output, around) as progress:
        outcome = configure(request, settings, around.clock, progress)
    learned_something = any(one.parameters is not None and not one.reason for one in outcome.learned)
    if (learned / _METAPARAMETERS).resolve() != command.metaparameters_filepath.resolve():
        _write_metaparameters(learned / _METAPARAMETERS, metaparameters)
    elif updated is None or not learned_something:
        left = "%s holds the settings and is left as it is: `infer` needs --bundle %s unless it names that one"
        _log.warning(left, printable(learned / _METAPARAMETERS), BUNDLE)
    if updated is not None and learned_something:
        _save(command.metaparameters_filepath, updated)
    return Told(outcome_text(outcome), code=ExitCode.ANSWERED if learned_something else ExitCode.NOTHING_LEARNED)


def _evaluate(command: EvaluateCommand, around: Circumstances) -> str:
    from detector.commands.evaluate import EvaluateRequest, Shard, evaluate, evaluation_text

    settings = load_settings(command.metaparameters_filepath, command.schema_filepath, command.changes)
    settings = replace(settings, max_seconds=command.seconds or settings.max_seconds)
    learned = command.learned_parameters_dirpath
    if command.bundle is not None:
        learned, settings = named_bundle(command.bundle, learned, settings)
    shard = Shard.parse(command.shard) if command.shard else None
    request = EvaluateRequest(command.round_dirpath, command.output_dirpath, learned, shard, command.preparation)
    with _display(command.output, around) as progress:
        evaluation = evaluate(request, settings, command.workers, around.clock, progress)
    return evaluation_text(evaluation)


def _merge(command: MergeCommand) -> str:
    from detector.commands.evaluate import evaluation_text, merge

    return evaluation_text(merge(command.round_dirpath, command.output_dirpath))


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


def _infer(command: InferCommand, around: Circumstances) -> Told:
    detection: Detection | None = None
    settings: Settings | None = None
    try:
        begin_outputs(command)
        _warn_of_unknown(command.unknown_options)
        settings = load_settings(metaparameters_of(command), command.schema_filepath, command.changes)
        learned, settings = bundle_of(command, settings)
        confinement = None if command.sandboxed else UNCONFINED
        inputs = command.model_filepath, command.examples_dirpath, learned
        request = Request(*inputs, command.preparation, confinement)
        detection = Detection(request, settings, Budget(around.clock, around.started, settings.max_seconds))
        report = _stamped(detection.run(), around, settings)
        report = replace(report, timings={**report.timings, "total": around.clock.now() - around.started})
        text = _shown(report, command, around)
        _save_all(command, report, detection.logits if settings.save_logits else None)
        write_probability(command.result_filepath, report.probability)  # last: nothing can fail after it
    except Exception as error:
        known = Report(NEUTRAL, Basis.NEUTRAL)
        with contextlib.suppress(Exception):  # the first error is the one to tell
            known = detection.report if detection else known
        failed = _failure(_stamped(known, around, settings), error)
        with contextlib.suppress(Exception):
            _save_all(command, failed, None)
        text = _shown(failed, command, around) if _has_verdict(failed, command) else ""
        return Told(text, error, failed.exit_code)
    return Told(text)


def _stamped(report: Report, around: Circumstances, settings: Settings | None) -> Report:
    told = None if settings is None else settings.metaparameters
    return replace(report, date=around.date, command=around.words, settings=told)


def _has_verdict(failed: Report, command: InferCommand) -> bool:
    return command.as_json or failed.exit_code is ExitCode.MODEL_REFUSED


def _shown(report: Report, command: InferCommand, around: Circumstances) -> str:
    document = to_document(report)
    if command.as_json:
        return json.dumps(document, indent=2)
    more = "" if command.output.verbose else "; --verbose tells all, --html FILE makes a page"
    where = command.html_filepath or f"{command.scratch_dirpath / REPORT}{more}"
    summary = summary_text(document, report=str(where), colour=around.colour)
    return f"{summary}\n\n{report_text(report)}" if command.output.verbose else summary


def _save_all(command: InferCommand, report: Report, logits: MeasuredLogits | None) -> None:
    """All files but the result; one that cannot be written is a warning."""
    _save_report(command.scratch_dirpath, report)
    if logits is not None:
        _save(command.scratch_dirpath / LOGITS, _npz(logits))
    if command.features_filepath is not None and report.signal_vector is not None and report.error is None:
        _save(command.features_filepath, _features(report))
    if command.html_filepath is not None:
        _save(command.html_filepath, _page(to_document(report), command.examples_dirpath))


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
