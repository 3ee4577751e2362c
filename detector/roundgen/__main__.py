"""Command line of the generator: `python -m detector.roundgen samples --output samples`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from detector.roundgen.rounds import Job, Progress, make_round, sample_round


class StatusLine:
    """One line on `stream`, rewritten in place: models done, what is in training, its rate and its time left."""

    def __init__(self, jobs: Sequence[Job], folder: Path, stream: TextIO) -> None:
        self._jobs = {job.name: job for job in jobs}
        self._folder = folder
        self._stream = stream
        self._first: dict[tuple[str, int], tuple[float, float]] = {}
        self._texts: dict[str, str] = {}
        self._shown = 0.0

    def watch(self, progress: Progress | None) -> None:
        """Takes in one report of a worker; writes at most once a second."""
        if progress:
            self._texts[progress.name] = self._describe(progress, time.monotonic())
        if time.monotonic() - self._shown >= 1:
            self._shown = time.monotonic()
            self._show()

    def _describe(self, progress: Progress, now: float) -> str:
        job = self._jobs[progress.name]
        work = job.recipe.schedule.work_done(progress.step)
        start, before = self._first.setdefault((progress.name, progress.number), (now, work))
        left = (now - start) * (1 - work) / (work - before) if work > before else float("nan")
        rate = progress.step / (now - start) if now > start else 0.0
        return (
            f"{progress.name} {job.recipe.architecture} try {progress.number} "
            f"step {progress.step}/{progress.steps} {rate:.1f}/s {left / 60:.1f} min left"
        )

    def _show(self) -> None:
        done = [name for name in self._jobs if (self._folder / name).exists()]
        texts = [text for name, text in self._texts.items() if name not in done]
        line = "; ".join([f"{len(done)}/{len(self._jobs)} models", *texts])
        self._stream.write(f"\r\x1b[K{line}" if self._stream.isatty() else f"{line}\n")
        self._stream.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the preset that the command line names. Returns 0, 1 if a model failed, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    jobs = [job for job in sample_round() if options.only in (None, job.name)]
    if not jobs:
        print(f"roundgen: no model named {options.only}", file=sys.stderr)
        return 2
    status = StatusLine(jobs, options.output, sys.stderr)
    try:
        failed = make_round(jobs, options.output, options.workers, status.watch)
    except KeyboardInterrupt:
        print("\nroundgen: interrupted; the same command continues", file=sys.stderr)
        return 130
    print(f"\nroundgen: {len(jobs) - len(failed)} of {len(jobs)} models in {options.output}", file=sys.stderr)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m detector.roundgen", description=__doc__)
    presets = parser.add_subparsers(dest="preset", required=True, metavar="PRESET")
    samples = presets.add_parser("samples", help="the four small models that ship with the project")
    samples.add_argument("--output", type=Path, required=True, help="folder of the round; finished models are kept")
    samples.add_argument("--only", metavar="ID", help="only this model, such as id-00000002")
    samples.add_argument("--workers", type=int, default=1, help="models in training at the same time (default 1)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
