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
from laboratory.roundgen.presets import Job, Plan, Preset, default_plan, round_of, sample_round
from laboratory.roundgen.recipe import TriggerFamily
from laboratory.roundgen.rounds import Progress, make_round

_HELP = {
    Preset.SAMPLES: "the four small models that ship with the project",
    Preset.SMALL: "48-px models that a CPU trains in minutes each",
    Preset.ROUND1: "after NIST's Round 1: 224 px, 5 classes, polygons, all classes to one target; wants a GPU",
    Preset.ROUND2: "after NIST's Round 2: 224 px, 5-25 classes, polygons and filters, 23 architectures; wants a GPU",
}


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
        return [name for name in self._jobs if (self._folder / name).exists()]


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
        failed = make_round(jobs, options.output, options.workers, status.watch, options.device)
    except KeyboardInterrupt:
        print("\nroundgen: interrupted; the same command continues", file=sys.stderr)
        return 130
    print(f"\nroundgen: {len(jobs) - len(failed)} of {len(jobs)} models in {options.output}", file=sys.stderr)
    return 1 if failed else 0


def _jobs(options: argparse.Namespace) -> tuple[Job, ...]:
    preset = Preset(options.preset)
    jobs = sample_round() if preset is Preset.SAMPLES else round_of(_plan(options, preset))
    chosen = tuple(job for job in jobs if options.only in (None, job.name))
    if not chosen:
        raise ValueError(f"no model named {options.only}")
    return chosen


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
        command.add_argument("--output", type=Path, required=True, help="folder of the round; finished models are kept")
        command.add_argument("--only", metavar="ID", help="only this model, such as id-00000002")
        command.add_argument("--workers", type=int, default=1, help="models in training at the same time (default 1)")
        command.add_argument("--device", default="cpu", help="cpu (default) or cuda")
        if preset is not Preset.SAMPLES:
            _add_plan(command, default_plan(preset))
    return parser


def _add_plan(command: argparse.ArgumentParser, usual: Plan) -> None:
    names = " ".join(usual.architectures) if len(usual.architectures) < len(TROJAI_ARCHITECTURES) else "all"
    families = [str(family) for family in TriggerFamily]
    command.add_argument("--architectures", nargs="+", choices=ARCHITECTURES, metavar="NAME", help=f"default: {names}")
    command.add_argument("--models", type=int, metavar="N", help=f"per architecture (default {usual.per_architecture})")
    command.add_argument("--triggers", nargs="+", choices=families, help=f"default: {' '.join(usual.families)}")
    command.add_argument("--seed", type=int, default=usual.seed, help="another seed, another round (default 1)")


if __name__ == "__main__":
    sys.exit(main())
