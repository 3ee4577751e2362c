"""The command `configure` as a story: find the models, measure them, learn per architecture, replace the bundle.

What can fail is tried first: hours of measuring must not end at a folder that cannot be written. The bundle is
replaced as a whole and last, so that whatever happens before leaves the old one as it was.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from detector.base.clock import Clock
from detector.base.cpus import usable_cpus
from detector.base.errors import ParametersError, UsageError
from detector.base.progress import LogProgress, Progress
from detector.base.temporary import run_folder
from detector.base.workers import Workers
from detector.commands.held_out import write_held_out
from detector.commands.profile_check import check_profile
from detector.commands.start import StartBundle, find_start
from detector.commands.train_settings import TrainSettings
from detector.learning.adaptation import Adaptation, Adapted, RoundFeatures, adapt
from detector.learning.given import GivenTheta, learn
from detector.learning.learned import Learned
from detector.learning.study import Study
from detector.mapping.bundles import Bundle, write_bundle
from detector.probing.probe import Probe
from detector.rounds.reading import LeftOut, Round, read_round
from detector.sweep.grids import execution_ladder, thetas
from detector.sweep.store import Store
from detector.sweep.sweeping import Sweep
from detector.sweep.workers import MeasuredRound, measure_round

_log = logging.getLogger(__name__)

BUNDLE = "configured"
_VERSION = "1"
_MEASURING = ".measuring-"  # begins the name of the folder of measurements where no scratch is given


@dataclass(frozen=True)
class ConfigureRequest:
    """Where the models are, where the bundle goes, and where measurements are kept (None: nowhere).

    `automatic` asks for the search over the whole grid; otherwise the theta of the settings is only fitted.
    `start_from` names a bundle for any architecture, or its folder, whose mapping is learned on instead.
    `workers` measure the models, by default one for each CPU.

    Raises
    ------
    UsageError
        Both are asked for.
    """

    models_dirpath: Path
    learned_parameters_dirpath: Path
    scratch_dirpath: Path | None
    automatic: bool = False
    start_from: str | None = None
    workers: Workers = field(default_factory=lambda: Workers(usable_cpus()))

    def __post_init__(self) -> None:
        if self.automatic and self.start_from is not None:
            raise UsageError(
                "a search over the grid and a start at once",
                where="--start_from",
                expected="--automatic_configuration or --start_from",
                next_step="leave one of them out",
            )


@dataclass(frozen=True)
class Outcome:
    """What was learned, and what could not be learned from.

    `doubtful` names models that fail at their clean examples before pruning, `base_rate` is the bundle's. `held_out` is
    the folder of the held-out answers to the models, None where it could not be written.
    """

    bundle: Path
    base_rate: float
    learned: tuple[Learned, ...]
    left_out: tuple[LeftOut, ...]
    doubtful: tuple[str, ...]
    held_out: Path | None = None


def configure(
    request: ConfigureRequest, settings: TrainSettings, clock: Clock, progress: Progress | None = None
) -> Outcome:
    """Write the bundle `configured` from the models of a round; `progress`, by default the log, is told the stages.

    Raises
    ------
    UsageError
        The folder of models cannot be read.
    ParametersError
        The learned parameters cannot be written there, nothing can be learned from the models, or there is no such
        bundle to start from.
    """
    found = read_round(request.models_dirpath)
    check_target(request.learned_parameters_dirpath)
    way = _way(request)
    check_profile(found, settings.preprocessing)
    with ExitStack() as stack:
        scratch = request.scratch_dirpath or stack.enter_context(
            run_folder(request.learned_parameters_dirpath, _MEASURING)
        )
        bench = _Bench(Store(scratch), clock, request.workers, progress or LogProgress(clock))
        measured, learned = way.learn(found, settings, bench)
    left_out = (*found.left_out, *found.misnamed, *measured.left_out)
    poisoned = [label for readings in measured.readings for label in readings.poisoned.tolist()]
    base_rate = _base_rate(learned, poisoned)
    description = (
        f"Learned by `configure` from {len(poisoned)} models of {found.name}: {way.in_words(settings)}. Each file says "
        "what its figures are worth."
    )
    bundle = Bundle(BUNDLE, _VERSION, description, base_rate)
    parameters = [one.parameters for one in learned if one.parameters is not None]
    folder = write_bundle(request.learned_parameters_dirpath, bundle, parameters)
    held_out = _held_out(request, found, measured, learned, base_rate, settings.preprocessing.name)
    return Outcome(folder, base_rate, tuple(learned), left_out, measured.doubtful, held_out)


def _held_out(
    request: ConfigureRequest,
    found: Round,
    measured: MeasuredRound,
    learned: Sequence[Learned],
    base_rate: float,
    preprocessing: str,
) -> Path | None:
    """Where the held-out answers are; that they cannot be written costs nothing of the bundle."""
    folder = request.learned_parameters_dirpath
    try:
        return write_held_out(folder, found, measured.readings, learned, base_rate, preprocessing)
    except UsageError as error:
        _log.warning("no held-out answers: %s", error)
        return None


@dataclass(frozen=True)
class _Bench:
    """What is measured with: where answers are kept, by which clock, who does it, and who is told."""

    store: Store
    clock: Clock
    workers: Workers
    progress: Progress


@dataclass(frozen=True)
class _Way:
    """One of the ways to learn, and how a bundle tells of it."""

    learn: Callable[[Round, TrainSettings, _Bench], tuple[MeasuredRound, Sequence[Learned]]]
    in_words: Callable[[TrainSettings], str]


def _way(request: ConfigureRequest) -> _Way:
    if request.start_from is not None:
        start = find_start(request.start_from, request.learned_parameters_dirpath)
        return _Way(partial(_adapt, start), lambda _: f"the mapping of {start.bundle.name}, learned on")
    if request.automatic:
        return _Way(_search, lambda settings: f"by a search over the grid {settings.grid}")
    return _Way(_refit, _given_in_words)


def _given_in_words(settings: TrainSettings) -> str:
    return f"{settings.fitting} per architecture on {', '.join(settings.signals)}, theta as given"


def _base_rate(learned: Sequence[Learned], poisoned: Sequence[int]) -> float:
    """The share of poisoned models; that of a start that is kept."""
    kept = [one.parameters.base_rate for one in learned if isinstance(one, Adapted) and one.parameters]
    return kept[0] if kept else float(np.mean(poisoned))


def check_target(directory: Path) -> None:
    """Raise ParametersError unless a bundle can be put into the directory, which is made if it is missing."""
    if (directory / "bundle.json").exists():
        raise _no_target(directory, "is itself a bundle, and `infer` would read no other one in it")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise _no_target(directory, f"cannot be written ({error.strerror})") from error


def _no_target(directory: Path, what: str) -> ParametersError:
    return ParametersError(
        what,
        where=directory,
        expected="a writable directory of bundles, or a free name for one",
        next_step="give another --learned_parameters_dirpath, mounted writable",
    )


def _refit(found: Round, settings: TrainSettings, bench: _Bench) -> tuple[MeasuredRound, list[Learned]]:
    """The given theta, signals and mapping."""
    measured = _measured(found, Sweep((settings.theta,), settings.preprocessing), bench, "1 of 2: measuring")
    study = _study(found, settings, measured)
    given = GivenTheta(settings.theta, settings.signals, settings.reduction, settings.fitting, study)
    with bench.progress.stage("2 of 2: fitting, and judging it on models held out"):
        return measured, learn(measured.readings, given)


def _study(found: Round, settings: TrainSettings, measured: MeasuredRound) -> Study:
    return Study(settings.preprocessing, settings.min_models, settings.seed, found.name, measured.doubtful)


def _search(found: Round, settings: TrainSettings, bench: _Bench) -> tuple[MeasuredRound, list[Learned]]:
    """The paper's two stages: all thetas of the grid at its |S| and |D|, then other |S| and |D| of the best ones."""
    from detector.learning.automatic import learn_automatically, winners

    points = thetas(settings.grid, settings.seed)
    measured = _measured(found, Sweep(points, settings.preprocessing), bench, "1 of 4: measuring the grid")
    with bench.progress.stage("2 of 4: searching thetas"):
        best = winners(measured.readings, _study(found, settings, measured))
    rungs = [rung for theta in best for rung in execution_ladder(theta)]
    sweep = Sweep(tuple(dict.fromkeys((*points, *rungs))), settings.preprocessing)
    measured = _measured(found, sweep, bench, "3 of 4: measuring the best with fewer variants and images")
    with bench.progress.stage("4 of 4: searching, and judging the search on models held out"):
        return measured, learn_automatically(measured.readings, _study(found, settings, measured))


def _adapt(
    start: StartBundle, found: Round, settings: TrainSettings, bench: _Bench
) -> tuple[MeasuredRound, list[Learned]]:
    """The probes of the start, the costliest configuration first: what cheaper ones ask for is mostly a part of it."""
    configurations = start.parameters.configurations
    by_probes: dict[tuple[Probe, ...], MeasuredRound] = {}
    kinds = tuple(dict.fromkeys(one.probes for one in sorted(configurations, key=lambda one: -one.cost)))
    for number, probes in enumerate(kinds, start=1):
        images = tuple(one.images for one in configurations if one.probes == probes)
        stage = f"{number} of {len(kinds) + 1}: measuring {len(probes)} probes"
        by_probes[probes] = _measured(found, Sweep((), settings.preprocessing, probes, images), bench, stage)
    measured = _together(tuple(by_probes.values()))
    models = RoundFeatures.of(configurations, [by_probes[one.probes].readings for one in configurations])
    adaptation = Adaptation(start.bundle.name, start.parameters, _study(found, settings, measured))
    with bench.progress.stage(f"{len(kinds) + 1} of {len(kinds) + 1}: learning on, and judging it on models held out"):
        return measured, [adapt(models, adaptation)]


def _together(measured: Sequence[MeasuredRound]) -> MeasuredRound:
    """The first, and what is left out of any."""
    left_out = {one.name: one for some in measured for one in some.left_out}
    return replace(measured[0], left_out=tuple(left_out[name] for name in sorted(left_out)))


def _measured(found: Round, sweep: Sweep, bench: _Bench, stage: str) -> MeasuredRound:
    measured = measure_round(found.models, sweep, bench.store, bench.clock, bench.workers, bench.progress, stage)
    if len({label for readings in measured.readings for label in readings.poisoned.tolist()}) < 2:
        raise _nothing_to_learn(found, measured)
    return measured


def _nothing_to_learn(found: Round, measured: MeasuredRound) -> ParametersError:
    models = sum(len(readings.names) for readings in measured.readings)
    poisoned = sum(int(readings.poisoned.sum()) for readings in measured.readings)
    left_out = (*found.left_out, *found.misnamed, *measured.left_out)
    reasons = "; ".join(f"{one.name}: {one.reason}" for one in left_out[:3])
    what = f"{models - poisoned} clean and {poisoned} poisoned models can be used, {len(left_out)} are left out"
    return ParametersError(
        f"nothing can be learned: {what}" + (f" ({reasons})" if reasons else ""),
        where=found.directory,
        expected="both clean and poisoned models, in folders id-00000000 and so on, with examples and labels",
        next_step="give the folder of a round; the old bundle is untouched",
    )
