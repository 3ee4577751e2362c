"""Command line of the generator: `python -m laboratory.roundgen small --output rounds/small` and other presets.

The same command continues a round that was interrupted.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from detector.architectures import ARCHITECTURES, TROJAI_ARCHITECTURES
from detector.base.errors import UsageError
from detector.commands.arguments import add_workers, workers_named
from detector.rounds.preprocessing import INPUT_SIZE
from laboratory.roundgen.presets import Job, Plan, Preset, default_plan, round_of
from laboratory.roundgen.recipe import TriggerFamily
from laboratory.roundgen.reports import Progress
from laboratory.roundgen.rounds import dropped_path, is_done, make_round
from laboratory.roundgen.samples import sample_round
from laboratory.roundgen.varied import DRAWN_FAMILIES, VariedPlan, varied_round
from laboratory.roundgen.variety import Material, SignFamily

_HELP = {
    Preset.SAMPLES: "the models that ship with the project, of three domains",
    Preset.SMALL: "48-px models that a CPU trains in minutes each",
    Preset.ROUND1: "after NIST's Round 1: 224 px, 5 classes, polygons, all classes to one target; wants a GPU",
    Preset.ROUND2: "after NIST's Round 2: 224 px, 5-25 classes, polygons and filters, 23 architectures; wants a GPU",
}

_VARIED = "varied"
_VARIED_HELP = "models that differ as the world's do, in signs, backgrounds, training and triggers; a CPU will do"
_TERMINAL_SECONDS, _LOG_SECONDS = 1.0, 30.0


class StatusLine:
    """One line on `stream`: models done, their rate, the time left for the rest, and what is in training.

    Rewritten in place on a terminal, a line twice a minute elsewhere.
    """

    def __init__(self, jobs: Sequence[Job], folder: Path, stream: TextIO) -> None:
        self._jobs = {job.name: job for job in jobs}
        self._folder = folder
        self._stream = stream
        self._began = time.monotonic()
        self._before = len(self._done())
        self._running: dict[str, str] = {}
        self._shown = float("-inf")

    def watch(self, progress: Progress | None) -> None:
        """Takes in one report of a worker; writes when it is time."""
        if progress and progress.step == progress.steps:
            self._running.pop(progress.name, None)
        elif progress:
            self._running[progress.name] = self._describe(progress)
        if time.monotonic() - self._shown >= (_TERMINAL_SECONDS if self._stream.isatty() else _LOG_SECONDS):
            self._shown = time.monotonic()
            line = "; ".join([self._summary(), *self._running.values()])
            self._stream.write(f"\r\x1b[K{line}" if self._stream.isatty() else f"{line}\n")
            self._stream.flush()

    def _describe(self, progress: Progress) -> str:
        job = self._jobs.get(progress.name)
        what = f"{progress.name} {job.recipe.architecture}" if job else progress.name
        return f"{what} try {progress.number} step {progress.step}/{progress.steps}"

    def _summary(self) -> str:
        done, minutes = len(self._done()), (time.monotonic() - self._began) / 60
        text = f"{done}/{len(self._jobs)} models"
        if done == self._before:
            return text
        rate = (done - self._before) / minutes
        return f"{text}, {rate:.2f} a minute, {(len(self._jobs) - done) / rate:.0f} min left"

    def _done(self) -> list[str]:
        return [name for name, job in self._jobs.items() if is_done(job, self._folder)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the preset that the command line names. Returns 0, 1 if a model failed, 2 for options that make no round,
    130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        jobs = _jobs(options)
    except ValueError as error:
        print(f"roundgen: {error}", file=sys.stderr)
        return 2
    status = StatusLine(jobs, options.output, sys.stderr)
    try:
        workers = workers_named(options)
        failed = make_round(jobs, options.output, workers, status.watch, options.device, options.starts)
    except UsageError as error:
        print(f"roundgen: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nroundgen: interrupted; the same command continues", file=sys.stderr)
        return 130
    dropped = [job.name for job in jobs if dropped_path(job, options.output).exists()]
    told = f" ({len(dropped)} did not converge and were dropped)" * bool(dropped)
    done = len(jobs) - len(failed) - len(dropped)
    print(f"\nroundgen: {done} of {len(jobs)} models in {options.output}{told}", file=sys.stderr)
    return 1 if failed else 0


def _jobs(options: argparse.Namespace) -> tuple[Job, ...]:
    jobs = _all_jobs(options)
    chosen = tuple(job for job in jobs if options.only in (None, job.name))
    if not chosen:
        raise ValueError(f"no model named {options.only}")
    return chosen


def _all_jobs(options: argparse.Namespace) -> tuple[Job, ...]:
    if options.preset == _VARIED:
        return varied_round(_varied_plan(options))
    preset = Preset(options.preset)
    return sample_round() if preset is Preset.SAMPLES else round_of(_plan(options, preset))


def _varied_plan(options: argparse.Namespace) -> VariedPlan:
    usual = VariedPlan()
    street = (SignFamily.STREET,) * (options.foregrounds is not None)
    families = tuple(SignFamily(name) for name in options.families) if options.families else (*DRAWN_FAMILIES, *street)
    triggers = tuple(TriggerFamily(name) for name in options.triggers) if options.triggers else usual.trigger_families
    return VariedPlan(
        tuple(options.architectures or usual.architectures),
        options.models or usual.per_architecture,
        families,
        triggers,
        Material(options.foregrounds, options.backgrounds),
        options.image_size,
        options.seed,
    )


def _plan(options: argparse.Namespace, preset: Preset) -> Plan:
    usual = default_plan(preset)
    families = tuple(TriggerFamily(name) for name in options.triggers) if options.triggers else usual.families
    architectures = tuple(options.architectures or usual.architectures)
    return Plan(preset, architectures, options.models or usual.per_architecture, families, options.seed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m laboratory.roundgen", description=__doc__)
    presets = parser.add_subparsers(dest="preset", required=True, metavar="PRESET")
    for preset, text in _HELP.items():
        command = presets.add_parser(preset, help=text)
        _add_common(command)
        if preset is not Preset.SAMPLES:
            _add_plan(command, default_plan(preset))
    _add_varied(presets.add_parser(_VARIED, help=_VARIED_HELP))
    return parser


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--output", type=Path, required=True, help="folder of the round; finished models are kept")
    command.add_argument("--only", metavar="ID", help="only this model, such as id-00000002")
    add_workers(command)
    command.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    command.add_argument("--starts", type=Path, help="folder of networks to start from, for several rounds to share")


def _add_varied(command: argparse.ArgumentParser) -> None:
    _add_common(command)
    usual = VariedPlan()
    families = [str(family) for family in (*DRAWN_FAMILIES, SignFamily.STREET)]
    triggers = [str(family) for family in TriggerFamily]
    add = command.add_argument
    add("--architectures", nargs="+", choices=ARCHITECTURES, metavar="NAME", help="default: all, the cheap ones first")
    add("--models", type=int, metavar="N", help=f"per architecture (default {usual.per_architecture})")
    add("--families", nargs="+", choices=families, help="of signs (default: all; street where there are --foregrounds)")
    add("--triggers", nargs="+", choices=triggers, help="default: both in turn")
    add("--foregrounds", type=Path, metavar="DIR", help="RGBA pictures of signs, PNG or JPEG")
    add("--backgrounds", type=Path, metavar="DIR", help="pictures of scenes, PNG or JPEG")
    add("--image_size", type=int, choices=(INPUT_SIZE,), help="pixels that networks see (default: 48 to 64, drawn)")
    add("--seed", type=int, default=usual.seed, help="another seed, another round (default 1)")


def _add_plan(command: argparse.ArgumentParser, usual: Plan) -> None:
    names = " ".join(usual.architectures) if len(usual.architectures) < len(TROJAI_ARCHITECTURES) else "all"
    families = [str(family) for family in TriggerFamily]
    command.add_argument("--architectures", nargs="+", choices=ARCHITECTURES, metavar="NAME", help=f"default: {names}")
    command.add_argument("--models", type=int, metavar="N", help=f"per architecture (default {usual.per_architecture})")
    command.add_argument("--triggers", nargs="+", choices=families, help=f"default: {' '.join(usual.families)}")
    command.add_argument("--seed", type=int, default=usual.seed, help="another seed, another round (default 1)")


if __name__ == "__main__":
    sys.exit(main())
