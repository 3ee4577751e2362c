"""The command `evaluate` as a story: find the models, judge each as `infer` would, score the answers.

As NIST's test harness: every model of the folder on its own, with its own time budget; what fails is listed and counts
as 0.5. Nothing is trusted more than in `infer`, and each worker process judges model after model, so that a model that
takes its process down costs that one answer. Answers are written as they come, and an interrupted run goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from detector import __version__
from detector.base.budget import Budget
from detector.base.clock import Clock
from detector.base.errors import DetectorError, ExitCode, UsageError, printable
from detector.base.files import NEUTRAL
from detector.base.findings import Severity
from detector.base.pool import Died, run_tasks
from detector.base.progress import LogProgress, Progress
from detector.base.workers import Workers
from detector.commands.detect import Detection, Request
from detector.commands.settings import Settings
from detector.mapping.bundles import bundle_sha256, load_bundle
from detector.measurement.confinement import UNCONFINED, Confinement
from detector.report.explanation import explanation
from detector.report.report import Basis, Report
from detector.report.verdict import Judgement, judgement
from detector.rounds.preparation import AS_THEY_ARE, Preparation
from detector.rounds.reading import LeftOut, Member, Members, read_members
from detector.scoring.answers import UNVALIDATED, Answer, in_order
from detector.scoring.folder import EvaluationFolder, Shard
from detector.scoring.metrics import RoundMetrics, round_metrics
from detector.scoring.terms import Terms
from detector.scoring.text import metrics_text

__all__ = ["EvaluateRequest", "Evaluation", "Shard", "evaluate", "evaluation_text", "judge_member", "merge"]

_DIED = "the process that judged it died, and again when it was judged alone: killed, or out of memory"


@dataclass(frozen=True)
class EvaluateRequest:
    """Which models, where the answers go, and what they are answered with; of a shard only every n-th model.

    `preparation` says how images are prepared otherwise than the settings have it.
    """

    round_dirpath: Path
    output_dirpath: Path
    learned_parameters_dirpath: Path
    shard: Shard | None = None
    preparation: Preparation = AS_THEY_ARE


@dataclass(frozen=True)
class Evaluation:
    """What came of a round.

    Attributes
    ----------
    answers
        One for each model of the folder, sorted by name; models that were not judged have none of their own yet.
    remarks
        Folders that were not taken for models, and models whose truth is not known, with the reason.
    metrics
        None while models of other shards are missing.
    """

    terms: Terms
    output: Path
    answers: tuple[Answer, ...]
    remarks: tuple[LeftOut, ...]
    metrics: RoundMetrics | None


def evaluate(
    request: EvaluateRequest, settings: Settings, workers: Workers, clock: Clock, progress: Progress | None = None
) -> Evaluation:
    """Judge what has no answer yet, and score all answers; `progress`, by default the log, is told of each.

    Raises
    ------
    UsageError
        The folder cannot be read or has no models, the output cannot be written, or an evaluation of other terms is
        in it.
    ParametersError
        The learned parameters cannot be used.
    """
    found = read_members(request.round_dirpath)
    folder = EvaluationFolder(request.output_dirpath, request.shard)
    terms = _terms(found.name, request, settings)
    answered = folder.begin(terms)
    own = request.shard.part(found.members) if request.shard else found.members
    waiting = [member for member in own if _is_to_be_judged(answered.get(member.name))]
    settings = replace(settings, threads=settings.threads or workers.threads)
    judge = partial(
        judge_member,
        learned=request.learned_parameters_dirpath,
        settings=settings,
        clock=clock,
        preparation=request.preparation,
        confinement=None if workers.sandboxed else UNCONFINED,
    )
    with (progress or LogProgress(clock)).stage("judging", len(waiting)) as step:
        for answer in _answers(waiting, judge, workers):
            folder.add(answer)
            answered[answer.model] = answer
            step(_told(answer))
    answers, remarks = _in_order(answered, found), _remarks(found)
    metrics = None if request.shard else round_metrics(answers)
    if metrics is not None:
        folder.finish(answers, metrics, remarks)
    return Evaluation(terms, folder.directory, answers, remarks, metrics)


def merge(round_dirpath: Path, output_dirpath: Path) -> Evaluation:
    """Score the answers that all shards have left in the output folder, without judging anything.

    Raises
    ------
    UsageError
        The folder of models cannot be read, or the output is not that of an evaluation of it.
    """
    found, folder = read_members(round_dirpath), EvaluationFolder(output_dirpath)
    terms = folder.terms()
    if terms.round != found.name:
        raise UsageError(
            f"the answers are those to {terms.round}, not to {found.name}",
            where=output_dirpath,
            expected="the folder of models that the shards were given",
            next_step=f"give the folder called {terms.round}",
        )
    answers, remarks = _in_order(folder.answers(), found), _remarks(found)
    metrics = round_metrics(answers)
    folder.finish(answers, metrics, remarks)
    return Evaluation(terms, output_dirpath, answers, remarks, metrics)


def _terms(name: str, request: EvaluateRequest, settings: Settings) -> Terms:
    learned = request.learned_parameters_dirpath
    load_bundle(learned, settings.bundle)  # that there is none is told once, not for every model
    return Terms(
        round=name,
        bundle=settings.bundle,
        bundle_sha256=bundle_sha256(learned, settings.bundle),
        seconds=settings.max_seconds,
        preprocessing=request.preparation.described(settings.preprocessing or "learned"),
        tampered_probability=settings.tampered_probability,
        detector=__version__,
    )


def _is_to_be_judged(answer: Answer | None) -> bool:
    """What met an internal fault is judged again: the fault may have been the machine's."""
    return answer is None or answer.exit_code == ExitCode.INTERNAL


def _in_order(answered: Mapping[str, Answer], found: Members) -> tuple[Answer, ...]:
    """One for each member; the truth is that of now, for labels may have come since."""
    return in_order(_with_facts(answered.get(one.name, Answer(one.name)), one) for one in found.members)


def _remarks(found: Members) -> tuple[LeftOut, ...]:
    unlabelled = [LeftOut(one.name, one.remark) for one in found.members if one.remark is not None]
    return (*found.misnamed, *unlabelled)


def evaluation_text(evaluation: Evaluation) -> str:
    """A page for people: what the answers are worth, and what could not be judged or scored."""
    where = f"Written: {printable(evaluation.output)}"
    if evaluation.metrics is None:
        judged = sum(answer.exit_code is not None for answer in evaluation.answers)
        return f"{judged} of {len(evaluation.answers)} models are judged; `merge` scores them.\n{where}"
    return f"{metrics_text(evaluation.answers, evaluation.metrics, evaluation.remarks)}\n{where}"


def _answers(members: Sequence[Member], judge: Callable[[Member], Answer], workers: Workers) -> Iterator[Answer]:
    for ended in run_tasks(judge, members, workers):
        if isinstance(ended, Died):
            yield _with_facts(_failed(ended.task.name, _DIED, ExitCode.INTERNAL, 0.0), ended.task)
        else:
            yield ended.result


def _told(answer: Answer) -> str:
    what = printable(answer.error) if answer.error else f"{answer.probability:.3f}, {answer.verdict_in_words}"
    return f"{printable(answer.model)} in {answer.seconds:.1f} s: {what}"


def judge_member(
    member: Member,
    learned: Path,
    settings: Settings,
    clock: Clock,
    preparation: Preparation = AS_THEY_ARE,
    confinement: Confinement | None = None,
) -> Answer:
    """The answer of `infer` to one model; whatever fails is an answer too, of its exit code."""
    started = clock.now()
    request = Request(member.model_filepath, member.examples_dirpath, learned, preparation, confinement)
    detection = Detection(request, settings, Budget(clock, started, settings.max_seconds))
    try:
        answer = _answer(member.name, detection.run(), clock.now() - started)
    except DetectorError as error:
        answer = _failed(member.name, str(error), error.exit_code, clock.now() - started, detection)
    except Exception as error:  # a fault of ours: as `infer` has it, and it must not cost the other models theirs
        what = printable(f"internal fault: {type(error).__name__}: {error}")
        answer = _failed(member.name, what, ExitCode.INTERNAL, clock.now() - started, detection)
    return _with_facts(answer, member)


def _answer(model: str, report: Report, seconds: float) -> Answer:
    return Answer(
        model=model,
        architecture=_architecture(report),
        probability=report.probability,
        verdict=str(judgement(report)),
        basis=str(report.basis),
        seconds=round(seconds, 3),
        exit_code=int(report.exit_code),
        findings=(*(f"{finding.severity}:{finding.code}" for finding in report.findings), *_not_validated(report)),
    )


def _not_validated(report: Report) -> tuple[str, ...]:
    """One code where the headline of `infer` says so, which may be for what the bundle holds, without any finding."""
    is_side = judgement(report) in (Judgement.POISONED, Judgement.CLEAN)
    return (f"{Severity.WARNING}:{UNVALIDATED}",) if is_side and explanation(report).validated is False else ()


def _failed(model: str, error: str, code: ExitCode, seconds: float, detection: Detection | None = None) -> Answer:
    report = detection.report if detection is not None else Report(NEUTRAL, Basis.NEUTRAL)
    return replace(
        _answer(model, replace(report, probability=NEUTRAL, basis=Basis.NEUTRAL, exit_code=code), seconds), error=error
    )


def _architecture(report: Report) -> str:
    return (report.model.architecture if report.model else None) or ""


def _with_facts(answer: Answer, member: Member) -> Answer:
    """The answer beside what is known of the model now."""
    return replace(
        answer,
        architecture=answer.architecture or member.facts.architecture or "",
        truth=member.poisoned,
        trigger_type=member.facts.trigger_type or "",
        source_classes=member.facts.source_classes or "",
    )
