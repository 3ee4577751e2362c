"""Measures the models of a round in other processes, each with one thread, and gathers the readings.

Ctrl-C and a kill of any process lose at most the theta in hand, for everything else is in the store; on a cluster the
store is a folder that all machines share.
"""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from detector.base.clock import Clock
from detector.base.pool import Died, run_tasks
from detector.base.progress import LogProgress, Progress
from detector.base.text import printable
from detector.base.workers import Backend, Workers
from detector.pruning.theta import Theta
from detector.rounds.reading import LabelledModel, LeftOut
from detector.signals.registry import per_variant
from detector.sweep.readings import ArchitectureReadings
from detector.sweep.store import Store
from detector.sweep.sweeping import Fault, ModelReadings, Sweep, measure_model, sweep_model

_log = logging.getLogger(__name__)

_T = TypeVar("_T")

_DIED = "the process that measured it died, and again when it was measured alone: killed, or out of memory"


@dataclass(frozen=True)
class MeasuredRound:
    """Readings by architecture, sorted; what is left out; and the models that fail at their clean examples anyhow."""

    readings: tuple[ArchitectureReadings, ...]
    left_out: tuple[LeftOut, ...]
    doubtful: tuple[str, ...]


def measure_round(
    models: Sequence[LabelledModel],
    sweep: Sweep,
    store: Store,
    clock: Clock,
    workers: Workers,
    progress: Progress | None = None,
    stage: str = "measuring",
) -> MeasuredRound:
    """Measure all models under all thetas, telling the `progress`, by default the log, how far the stage is.

    The readings do not depend on the number of workers. Of two models with the same file the first is kept: the other
    would sit on both sides of a fold.
    """
    measured: list[ModelReadings] = []
    left_out: list[LeftOut] = []
    with (progress or LogProgress(clock)).stage(stage, len(models)) as step:
        for result in _results(models, sweep, store, clock, workers):
            if isinstance(result, LeftOut):
                left_out.append(result)
                _log.warning("%s is left out: %s", printable(result.name), printable(result.reason))
            else:
                measured.append(result)
            step("")
    if not measured:
        _raise_common_fault(models, left_out, sweep, clock, sandboxed=workers.sandboxed)
    kept, twins = _without_twins(sorted(measured, key=lambda model: model.name))
    doubtful = tuple(model.name for model in kept if model.doubtful)
    return MeasuredRound(_gathered(kept, sweep), tuple(sorted([*left_out, *twins], key=lambda one: one.name)), doubtful)


def _raise_common_fault(
    models: Sequence[LabelledModel], left_out: list[LeftOut], sweep: Sweep, clock: Clock, *, sandboxed: bool
) -> None:
    """Where nothing could be measured for a fault, no model is to blame: it comes again, and is raised, with the first
    of them.
    """
    faults = {one.name for one in left_out if isinstance(one, Fault)}
    for model in models:
        if model.name in faults:
            measure_model(model, sweep, Store(None), clock, sandboxed=sandboxed)


def _results(
    models: Sequence[LabelledModel], sweep: Sweep, store: Store, clock: Clock, workers: Workers
) -> Iterator[ModelReadings | LeftOut]:
    """As they come; a single worker of this machine is this process itself."""
    measure = partial(sweep_model, sweep=sweep, store=store, clock=clock, sandboxed=workers.sandboxed)
    if workers.backend is Backend.LOKY and min(workers.count, len(models)) <= 1:
        yield from map(measure, models)
        return
    for ended in run_tasks(measure, models, workers):
        yield LeftOut(ended.task.name, _DIED) if isinstance(ended, Died) else ended.result


def _without_twins(models: Sequence[ModelReadings]) -> tuple[list[ModelReadings], list[LeftOut]]:
    first: dict[str, str] = {}
    for model in models:
        first.setdefault(model.sha256, model.name)
    kept = [model for model in models if first[model.sha256] == model.name]
    twins = [LeftOut(model.name, f"the same file as {first[model.sha256]}") for model in models if model not in kept]
    return kept, twins


def _gathered(models: Sequence[ModelReadings], sweep: Sweep) -> tuple[ArchitectureReadings, ...]:
    by_architecture: dict[str, list[ModelReadings]] = defaultdict(list)
    for model in models:
        by_architecture[model.architecture].append(model)
    return tuple(_of_architecture(name, group, sweep) for name, group in sorted(by_architecture.items()))


def _of_architecture(name: str, models: Sequence[ModelReadings], sweep: Sweep) -> ArchitectureReadings:
    names = sorted({key for model in models for key in model.untouched})
    thetas = [theta for theta in sweep.thetas if all(theta in model.thetas for model in models)]
    return ArchitectureReadings(
        architecture=name,
        names=tuple(model.name for model in models),
        poisoned=np.array([model.poisoned for model in models], dtype=np.int64),
        signals=per_variant(),
        thetas=tuple(thetas),
        variants=tuple(np.stack([_of(model.variants, model, theta) for model in models]) for theta in thetas),
        seconds=tuple(np.array([_of(model.seconds, model, theta) for model in models]) for theta in thetas),
        images=sweep.images,
        probes=sweep.probes,
        numbers={name: np.stack([model.numbers[name] for model in models], axis=1) for name in models[0].numbers},
        untouched={key: _column(models, key) for key in names},
    )


def _of(measured: Sequence[_T], model: ModelReadings, theta: Theta) -> _T:
    return measured[model.thetas.index(theta)]


def _column(models: Sequence[ModelReadings], key: str) -> NDArray[np.float64]:
    """NaN for models of which it is not known."""
    return np.array([model.untouched.get(key, math.nan) for model in models])
