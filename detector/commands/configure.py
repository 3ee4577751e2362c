"""The command `configure` as a story: find the models, measure them, learn per architecture, replace the bundle.

What can fail is tried first: hours of measuring must not end at a folder that cannot be written. The bundle is
replaced as a whole and last, so that whatever happens before leaves the old one as it was.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from detector.base.clock import Clock
from detector.base.cpus import usable_cpus
from detector.base.errors import ParametersError, printable
from detector.base.temporary import run_folder
from detector.base.workers import Workers
from detector.commands.train_settings import TrainSettings
from detector.learning.given import Recipe, learn
from detector.learning.learned import Learned
from detector.mapping.bundles import Bundle, write_bundle
from detector.mapping.configuration import Configuration
from detector.pruning.theta import Theta
from detector.rounds.reading import LeftOut, Round, read_round
from detector.sweep.grids import execution_ladder, thetas
from detector.sweep.store import Store
from detector.sweep.sweeping import Sweep
from detector.sweep.workers import MeasuredRound, measure_round

BUNDLE = "configured"
_VERSION = "1"
_MEASURING = ".measuring-"  # begins the name of the folder of measurements where no scratch is given

_ROW = "{:<16}{:>7}{:>10}{:>13}{:>14}{:>16}{:>14}"
_HEADER = ("architecture", "models", "poisoned", "held-out CE", "held-out AUC", "held-out error", "in-sample CE")
_NOTHING = "Nothing could be learned: whatever the model, the answer is the base rate."


@dataclass(frozen=True)
class ConfigureRequest:
    """Where the models are, where the bundle goes, and where measurements are kept (None: nowhere).

    `automatic` asks for the search over the whole grid; otherwise the theta of the settings is only fitted. `workers`
    measure the models, by default one for each CPU.
    """

    models_dirpath: Path
    learned_parameters_dirpath: Path
    scratch_dirpath: Path | None
    automatic: bool = False
    workers: Workers = field(default_factory=lambda: Workers(usable_cpus()))


@dataclass(frozen=True)
class Outcome:
    """What was learned, and what could not be learned from.

    `doubtful` names models that fail at their clean examples before pruning, `base_rate` is the bundle's.
    """

    bundle: Path
    base_rate: float
    learned: tuple[Learned, ...]
    left_out: tuple[LeftOut, ...]
    doubtful: tuple[str, ...]


def configure(request: ConfigureRequest, settings: TrainSettings, clock: Clock) -> Outcome:
    """Write the bundle `configured` from the models of a round.

    Raises
    ------
    UsageError
        The folder of models cannot be read.
    ParametersError
        The learned parameters cannot be written there, or nothing can be learned from the models.
    """
    found = read_round(request.models_dirpath)
    check_target(request.learned_parameters_dirpath)
    with ExitStack() as stack:
        scratch = request.scratch_dirpath or stack.enter_context(
            run_folder(request.learned_parameters_dirpath, _MEASURING)
        )
        learn_from = _search if request.automatic else _refit
        measured, learned = learn_from(found, settings, Store(scratch), clock, request.workers)
    left_out = (*found.left_out, *found.misnamed, *measured.left_out)
    poisoned = [label for readings in measured.readings for label in readings.poisoned.tolist()]
    base_rate = float(np.mean(poisoned))
    bundle = Bundle(BUNDLE, _VERSION, _description(found, len(poisoned), settings, request.automatic), base_rate)
    parameters = [one.parameters for one in learned if one.parameters is not None]
    folder = write_bundle(request.learned_parameters_dirpath, bundle, parameters)
    return Outcome(folder, base_rate, tuple(learned), left_out, measured.doubtful)


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


def _refit(
    found: Round, settings: TrainSettings, store: Store, clock: Clock, workers: Workers
) -> tuple[MeasuredRound, list[Learned]]:
    """The given theta, signals and mapping."""
    measured = _measured(found, (settings.theta,), settings, store, clock, workers)
    recipe = Recipe(
        settings.theta,
        settings.signals,
        settings.reduction,
        settings.preprocessing,
        settings.fit_method,
        settings.min_models,
        settings.seed,
        found.name,
        measured.doubtful,
    )
    return measured, learn(measured.readings, recipe)


def _search(
    found: Round, settings: TrainSettings, store: Store, clock: Clock, workers: Workers
) -> tuple[MeasuredRound, list[Learned]]:
    """The paper's two stages: all thetas of the grid at its |S| and |D|, then other |S| and |D| of the best ones."""
    from detector.learning.automatic import Search, learn_automatically, winners

    points = thetas(settings.grid, settings.seed)
    measured = _measured(found, points, settings, store, clock, workers)
    search = Search(settings.preprocessing, settings.min_models, settings.seed, found.name, measured.doubtful)
    rungs = [rung for theta in winners(measured.readings, search) for rung in execution_ladder(theta)]
    measured = _measured(found, tuple(dict.fromkeys((*points, *rungs))), settings, store, clock, workers)
    return measured, learn_automatically(measured.readings, replace(search, doubtful=measured.doubtful))


def _measured(
    found: Round, points: Sequence[Theta], settings: TrainSettings, store: Store, clock: Clock, workers: Workers
) -> MeasuredRound:
    sweep = Sweep(tuple(points), settings.preprocessing)
    measured = measure_round(found.models, sweep, store, clock, workers)
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


def _description(found: Round, models: int, settings: TrainSettings, automatic: bool) -> str:
    how = (
        f"by a search over the grid {settings.grid}"
        if automatic
        else f"{settings.fit_method} per architecture on {', '.join(settings.signals)}, theta as given"
    )
    learned = f"Learned by `configure` from {models} models of {found.name}"
    return f"{learned}: {how}. Each file says what its figures are worth."


def outcome_text(outcome: Outcome) -> str:
    """A page for people: a row for each architecture, and what was left out."""
    lines = [_ROW.format(*_HEADER), *map(_row, outcome.learned)]
    lines += [_chosen(one) for one in outcome.learned if one.parameters is not None]
    if not any(one.parameters for one in outcome.learned):
        lines.append(_NOTHING)
    lines.append(f"Architectures without a regression are answered with the base rate, {outcome.base_rate:.3f}.")
    if outcome.doubtful:
        failing = f"{len(outcome.doubtful)} models fail at their clean examples even before pruning"
        lines.append(f"{failing}, {outcome.doubtful[0]} is the first: is train_preprocessing right?")
    lines.append(f"Left out: {len(outcome.left_out) or 'none'}")
    lines += [f"  {one.name}: {one.reason}" for one in outcome.left_out]
    return "\n".join(map(printable, [*lines, f"Written: {outcome.bundle}"]))


def _row(one: Learned) -> str:
    counts = one.architecture, one.num_models, one.num_poisoned
    if one.parameters is None:
        return f"{_ROW.format(*counts, '', '', '', '').rstrip()}   base rate only: {one.reason}"
    configuration = one.parameters.configurations[0]
    held_out, in_sample = configuration.held_out, configuration.in_sample
    assert held_out is not None and in_sample is not None  # of what was learned here
    auc, error = f"{held_out.roc_auc:.3f}", f"{held_out.error_rate:.1%}"
    return _ROW.format(*counts, f"{held_out.cross_entropy:.3f}", auc, error, f"{in_sample.cross_entropy:.3f}")


def _chosen(one: Learned) -> str:
    assert one.parameters is not None
    best, *cheaper = one.parameters.configurations
    behind = f", {len(cheaper)} cheaper behind it" if cheaper else ""
    return f"{one.architecture}: {_in_words(best)}{behind}"


def _in_words(configuration: Configuration) -> str:
    read = f"{configuration.reduction} of {', '.join(configuration.signals)}"
    theta, *others = configuration.thetas
    if others:
        sizes = f"|S|={sum(configuration.num_pruned_models)} in all, |D|={configuration.num_images}"
        return f"{len(configuration.thetas)} thetas together, {sizes}, {read}"
    selected = f"{theta.pruning_method} {theta.sampling_method} {theta.ranking_method} p={theta.p:g}"
    sizes = f"|S|={theta.num_pruned_models} |D|={theta.num_images}"
    return f"{selected} in {theta.layers} layers, {sizes}, {read}"
