"""Command line of the results: `python -m laboratory.results` rebuilds page, figures and default bundle.

The same bytes from the same measurements. For another round than `small` everything goes into a folder of its own.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from detector.base.errors import DetectorError
from detector.learning.regressions import Regression, make_parameters
from detector.learning.search.procedures import PUBLISHED
from detector.mapping.bundles import Bundle, write_bundle
from detector.rounds.preprocessing import PROFILES
from detector.sweep.readings import ArchitectureReadings, read_readings
from laboratory.results.analysis import Effort, Made, Results, analyse
from laboratory.results.page import PLOTS, page, tried_table

if TYPE_CHECKING:
    from laboratory.roundgen.recipe import Recipe

_log = logging.getLogger(__name__)

_SHIPPED = "small"
_SOURCE = "python -m laboratory.results, L2 logistic regression, architectures pooled"
_DESIGNED = "The procedure was designed with these models at hand; docs/results.md has figures of others, {}, as well."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; returns 0, or 2 if there is nothing to analyse."""
    options = _with_places(_parser().parse_args(arguments))
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    try:
        _rebuild(options)
    except (OSError, ValueError, KeyError, DetectorError) as error:
        _log.error("error: %s", error)
        return 2
    return 0


def _with_places(options: argparse.Namespace) -> argparse.Namespace:
    """Where things go, if it is not said: those of `small`, which are shipped, to their places in the checkout."""
    shipped = options.round == _SHIPPED
    own = options.measurements / options.round / "results"
    options.docs = options.docs or (Path("docs") if shipped else own)
    options.learned_params = options.learned_params or (Path("learned_params") if shipped else own)
    options.bundle = options.bundle or options.round
    options.preprocessing = options.preprocessing or (options.round if options.round in PROFILES else _SHIPPED)
    return options


def _rebuild(options: argparse.Namespace) -> None:
    # Imported here: everything else works without the extra.
    from laboratory.results.drawing import draw_all

    rounds = (options.round, options.fresh or f"{options.round}-fresh", options.unseen or f"{options.round}-filters")
    measured, fresh, unseen = (_read(options.measurements / name) for name in rounds)
    _log.info("%d models of %d architectures; this takes minutes", sum(map(_size, measured)), len(measured))
    effort = Effort(options.repeats, options.permutations, options.draws)
    results = analyse(measured, fresh, unseen, effort, _made(options.round))
    options.docs.mkdir(parents=True, exist_ok=True)
    options.learned_params.mkdir(parents=True, exist_ok=True)
    (options.docs / "results.md").write_text(page(results, *rounds), encoding="utf-8")
    (options.docs / "tried.csv").write_text(tried_table(results), encoding="utf-8")
    draw_all(results, options.docs / PLOTS)
    _log.info("written: %s, %s", options.docs / "results.md", _write_bundle(results, options))


def _size(readings: ArchitectureReadings) -> int:
    return len(readings.names)


def _read(folder: Path) -> list[ArchitectureReadings]:
    return [read_readings(path) for path in sorted(folder.glob("*.npz"))]


def _made(round_name: str) -> dict[str, Made]:
    """Of a round that has a preset's name and is made as that is by default, how each model is made."""
    from laboratory.roundgen.presets import Preset, default_plan, round_of

    if round_name not in list(Preset):
        return {}
    recipes = {job.name: job.recipe for job in round_of(default_plan(Preset(round_name)))}
    return {name: Made(one.start, _sources(one)) for name, one in recipes.items() if one.start is not None}


def _sources(recipe: Recipe) -> str:
    count = len(recipe.poisoning.sources) if recipe.poisoning else 0
    return "all classes" if count == recipe.num_classes else f"{count} of the classes"


def _write_bundle(results: Results, options: argparse.Namespace) -> Path:
    made = [
        make_parameters(
            one,
            options.round,
            PROFILES[options.preprocessing],
            results.metrics(PUBLISHED, one.readings.architecture),
            _SOURCE,
            [_DESIGNED.format(options.fresh or f"{options.round}-fresh")] if results.fresh else [],
        )
        for one in results.learned
    ]
    bundle = _bundle(options.bundle, options.round, results.learned)
    return write_bundle(options.learned_params, bundle, [one for one in made if one is not None])


def _bundle(name: str, round_name: str, learned: Sequence[Regression]) -> Bundle:
    """The bundle's own file."""
    models = [one.readings.poisoned for one in learned]
    architectures = ", ".join(one.readings.architecture for one in learned)
    description = (
        f"Learned from {sum(map(len, models))} models of the generated round {round_name} ({architectures}) by the "
        "search that docs/results.md describes and judges."
    )
    return Bundle(name, "1", description, float(np.concatenate(models).mean()))


def _parser() -> argparse.ArgumentParser:
    effort = Effort()
    parser = argparse.ArgumentParser(prog="python -m laboratory.results", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--measurements", type=Path, default=Path("measurements"), help="a folder of files per round")
    parser.add_argument("--round", default=_SHIPPED, help="the round to learn from and to judge by (default: small)")
    add = parser.add_argument
    add("--fresh", help="a round of the same kind that nothing is fitted on, if there is one (default: ROUND-fresh)")
    add("--unseen", help="one with other triggers that nothing is fitted on, if any (default: ROUND-filters)")
    add("--preprocessing", choices=sorted(PROFILES), help="as the round was measured (default: small)")
    add("--docs", type=Path, help="where page and figures go (default: docs for small, else results beside the files)")
    add("--learned_params", type=Path, help="where the bundle goes (default: learned_params for small, else the same)")
    add("--bundle", help="its name (default: that of the round)")
    parser.add_argument("--repeats", type=int, default=effort.repeats, help="of the cross-validation")
    parser.add_argument("--permutations", type=int, default=effort.permutations, help="of the labels")
    parser.add_argument("--draws", type=int, default=effort.draws, help="of each point of the learning curve")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
