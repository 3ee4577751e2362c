"""The command `configure` as a story: find the models, measure them, learn per architecture, replace the bundle.

What can fail is tried first: hours of measuring must not end at a folder that cannot be written. The bundle is
replaced as a whole and last, so that whatever happens before leaves the old one as it was.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from detector.clock import Clock
from detector.configure.learning import Learned, Recipe, learn
from detector.configure.measuring import MeasuredModel, Measurement, Store, measure_models
from detector.configure.rounds import LeftOut, Round, read_round
from detector.errors import ParametersError, printable
from detector.mapping.bundles import Bundle, write_bundle
from detector.mapping.signals import Signal
from detector.settings import TrainSettings

BUNDLE = "configured"
_VERSION = "1"

_ROW = "{:<16}{:>7}{:>10}{:>13}{:>14}{:>16}{:>14}"
_HEADER = ("architecture", "models", "poisoned", "held-out CE", "held-out AUC", "held-out error", "in-sample CE")


@dataclass(frozen=True)
class ConfigureRequest:
    """Where the models are, where the bundle goes, and where measurements are kept (None: nowhere)."""

    models_dirpath: Path
    learned_parameters_dirpath: Path
    scratch_dirpath: Path | None


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
    measurement = Measurement(settings.theta, Signal.ACCURACY, settings.preprocessing)
    measured, refused = measure_models(found.models, measurement, Store(request.scratch_dirpath), clock)
    left_out = (*found.left_out, *refused)
    poisoned = sum(model.poisoned for model in measured)
    if poisoned in (0, len(measured)):
        raise _nothing_to_learn(request.models_dirpath, measured, left_out)
    recipe = Recipe(measurement, settings.fit_method, settings.min_models, settings.seed, found.name)
    learned = learn(measured, recipe)
    base_rate = poisoned / len(measured)
    bundle = Bundle(BUNDLE, _VERSION, _description(found, measured, settings), base_rate)
    parameters = [one.parameters for one in learned if one.parameters is not None]
    folder = write_bundle(request.learned_parameters_dirpath, bundle, parameters)
    doubtful = tuple(model.name for model in measured if model.doubtful)
    return Outcome(folder, base_rate, tuple(learned), left_out, doubtful)


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


def _nothing_to_learn(directory: Path, measured: list[MeasuredModel], left_out: tuple[LeftOut, ...]) -> ParametersError:
    poisoned = sum(model.poisoned for model in measured)
    reasons = "; ".join(f"{one.name}: {one.reason}" for one in left_out[:3])
    what = f"{len(measured) - poisoned} clean and {poisoned} poisoned models can be used, {len(left_out)} are left out"
    return ParametersError(
        f"nothing can be learned: {what}" + (f" ({reasons})" if reasons else ""),
        where=directory,
        expected="both clean and poisoned models, in folders id-00000000 and so on, with examples and labels",
        next_step="give the folder of a round; the old bundle is untouched",
    )


def _description(found: Round, measured: list[MeasuredModel], settings: TrainSettings) -> str:
    return (
        f"Learned by `configure` from {len(measured)} models of {found.name}: {settings.fit_method} per architecture "
        f"on the accuracies of pruned models, theta as given. Each file says what its figures are worth."
    )


def outcome_text(outcome: Outcome) -> str:
    """A page for people: a row for each architecture, and what was left out."""
    lines = [_ROW.format(*_HEADER), *map(_row, outcome.learned)]
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
    (configuration,) = one.parameters.configurations
    held_out, in_sample = configuration.held_out, configuration.in_sample
    assert held_out is not None and in_sample is not None  # of what was learned here
    auc, error = f"{held_out.roc_auc:.3f}", f"{held_out.error_rate:.1%}"
    return _ROW.format(*counts, f"{held_out.cross_entropy:.3f}", auc, error, f"{in_sample.cross_entropy:.3f}")
