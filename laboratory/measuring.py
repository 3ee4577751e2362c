"""Command line of the measurements: `python -m laboratory.measuring measure --models ROUND --output FOLDER ...`.

Writes one small file of readings per architecture, from which everything else is computed without the models, and with
`--format` all of it as one plain table. The same command continues where it was interrupted, and takes in models that
have appeared since.
"""

from __future__ import annotations

import argparse
import csv
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from detector.architectures import ARCHITECTURES
from detector.base.clock import SystemClock
from detector.base.errors import DetectorError
from detector.base.progress import display
from detector.commands.arguments import add_workers, workers_named
from detector.mapping.bundles import load_parameters
from detector.pruning.theta import Theta
from detector.rounds.preprocessing import PROFILES
from detector.rounds.reading import LeftOut, read_round
from detector.sweep.grids import Grid, execution_ladder, thetas
from detector.sweep.readings import write_readings
from detector.sweep.store import Store
from detector.sweep.sweeping import Sweep
from detector.sweep.workers import MeasuredRound, measure_round
from laboratory.tables import TableFormat, check_format, write_table

_LEFT_OUT = "LEFT_OUT.csv"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; returns 0, 2 or 5 if the round or the bundle cannot be read, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("detector").setLevel(logging.INFO)
    try:
        for table_format in options.format:
            check_format(table_format)
        measured, skipped = _measure(options)
        _write(options.output, measured, skipped)
        for table_format in options.format:
            print(f"written: {write_table(options.output, measured.readings, table_format)}")
    except DetectorError as error:
        print(f"error: {error}", file=sys.stderr)
        return int(error.exit_code)
    except KeyboardInterrupt:
        print("interrupted; the same command continues", file=sys.stderr)
        return 130
    return 0


def _measure(options: argparse.Namespace) -> tuple[MeasuredRound, tuple[LeftOut, ...]]:
    found = read_round(options.models)
    points = [theta for name in options.grid for theta in thetas(Grid(name))]
    points += [rung for theta in _best(options.ladder_of) for rung in execution_ladder(theta)]
    sweep = Sweep(tuple(dict.fromkeys(points)), PROFILES[options.preprocessing])
    workers, clock = workers_named(options), SystemClock()
    with display(terminal=sys.stderr.isatty(), clock=clock) as progress:
        measured = measure_round(found.models, sweep, Store(options.scratch), clock, workers, progress)
    return measured, (*found.left_out, *found.misnamed)


def _best(bundle: Path | None) -> list[Theta]:
    """Of each architecture the theta of the costliest configuration that takes no other beside it."""
    if bundle is None:
        return []
    found = [load_parameters(bundle, bundle.name, name) for name in ARCHITECTURES]
    learned = [one.configurations for one in found if one is not None]
    single = [[one for one in configurations if len(one.thetas) == 1] for configurations in learned]
    return [max(some, key=lambda one: one.cost).thetas[0] for some in single if some]


def _write(folder: Path, measured: MeasuredRound, skipped: Sequence[LeftOut]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for readings in measured.readings:
        write_readings(folder / f"{readings.architecture}.npz", readings)
        print(f"{readings.architecture}: {len(readings.names)} models, {readings.poisoned.sum()} of them poisoned")
    left_out = sorted((one.name, one.reason) for one in (*skipped, *measured.left_out))
    with (folder / _LEFT_OUT).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("name", "reason"), *left_out])
    print(f"left out: {len(left_out)}, failing at their clean examples: {len(measured.doubtful)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m laboratory.measuring", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    sweep = commands.add_parser("measure", help="measure the models of a round under all thetas of a grid")
    add = sweep.add_argument
    add("--models", type=Path, required=True, help="folder of the round")
    add("--output", type=Path, required=True, help="where the readings are written, a file per architecture")
    add("--scratch", type=Path, required=True, help="where the logits are kept")
    add("--grid", nargs="+", choices=[str(grid) for grid in Grid], default=[str(Grid.WIDE)], help="default: wide")
    add("--ladder-of", type=Path, metavar="BUNDLE", help="also other |S| and |D| of the thetas that this bundle holds")
    add("--preprocessing", choices=PROFILES, default="small", metavar="PROFILE", help="default: small")
    add(
        "--format",
        nargs="+",
        type=TableFormat,
        choices=list(TableFormat),
        default=[],
        help="also write all readings as one table, measurements.csv or measurements.parquet",
    )
    add_workers(sweep)
    return parser


if __name__ == "__main__":
    sys.exit(main())
