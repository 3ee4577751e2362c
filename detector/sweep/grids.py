"""The points of the search space that are tried: NIST's two rounds of experiments, and a wider grid of our own.

The paper (arXiv 2101.12016, Section 5) publishes its 31 and 20 configurations by their margins only: how many have
each method, sampling, ranking, |S| and |D|. `paper-round1` and `paper-round2` have exactly these margins; which value
goes with which is our choice, but for NIST's published coefficient tables (Reset and Trim, Targeted, L1, |S| = 15,
|D| = 10), which are rows here. p follows the formulas of NIST's code, ceil(1000 / |S|) / 1000, times 4 k for Trim, and
for Remove with few variants its table of one filter a layer (.04 of its Round 1, .05 and .15 of its Round 2); the .02
that it falls back to for DenseNets is a row of its own. The paper's text gives other limits (.075 to .9), which exclude
the .067 of its own published tables.

`wide` is ours: at small fixed |S| and |D| as in the first stage of the paper's search, p down to one filter a layer,
parts of the layers, and the methods that provoke instead of pruning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from types import MappingProxyType

from detector.pruning.theta import LayerRange, PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.sweep.thinning import doubled


class Grid(StrEnum):
    """Grids by name."""

    PAPER_ROUND1 = "paper-round1"
    PAPER_ROUND2 = "paper-round2"
    WIDE = "wide"


ONE_FILTER = 0.001  # one filter of every layer that has up to 1000 of them, two of the few that have more
ALL_IMAGES = 10_000  # more than any folder of examples holds

# At equal cost many images of few variants tell more than few images of many: measured, on sixty models.
_FIRST_STAGE = (8, 40)  # |S| x |D|
_CHEAP = ((8, 10), (15, 10), (8, 20))  # |S| x |D|, for short budgets

# method  sampling  ranking  p  |S|  |D|  k of Trim
_PAPER_ROUND1 = """
Remove Targeted L1    .04   5  10
Remove Targeted stdev .04   5  10
Remove Targeted Linf  .04   5  10
Remove Uniform  L1    .04   5  10
Remove Random   L1    .04   5  10
Remove Targeted L1    .04   5  20
Remove Targeted L1    .04   5  30
Remove Targeted L1    .04   5  40
Remove Targeted L1    .04   5 100
Remove Targeted L1    .1   10  10
Remove Targeted stdev .1   10  10
Remove Targeted L1    .067 15  10
Remove Targeted stdev .067 15  10
Remove Targeted L1    .02  15  10
Trim   Targeted L1    .4    5  10 .5
Trim   Targeted stdev .4    5  10 .5
Trim   Targeted L1    .8    5  10 1
Trim   Targeted stdev .8    5  10 1
Trim   Targeted stdev .2    5  10 .25
Trim   Uniform  L1    .4    5  10 .5
Trim   Random   stdev .4    5  10 .5
Trim   Targeted L1    .2   10  10 .5
Trim   Targeted stdev .2   10  10 .5
Trim   Targeted L1    .134 15  10 .5
Trim   Targeted stdev .134 15  10 .5
Trim   Targeted L1    .268 15  10 1
Reset  Targeted L1    .2    5  10
Reset  Targeted stdev .2    5  10
Reset  Targeted L1    .1    5  10
Reset  Targeted stdev .1    5  10
Reset  Targeted L1    .067 15  10
"""

_PAPER_ROUND2 = f"""
Remove Targeted L1    .05   5  10
Remove Targeted L1    .05   5  30
Remove Targeted L1    .15   5  10
Remove Targeted L1    .2    5  10
Remove Targeted stdev .2    5  10
Remove Targeted L1    .067 15  10
Remove Targeted L1    .067 15  30
Remove Targeted L1    .02  15  10
Trim   Targeted L1    .4    5  10 .5
Trim   Targeted L1    .4    5  30 .5
Trim   Targeted L1    .4    5  40 .5
Trim   Targeted L1    .8    5  10 1
Trim   Targeted L1    .067 15  10 .25
Trim   Targeted L1    .134 15  10 .5
Trim   Targeted L1    .268 15  10 1
Reset  Targeted L1    .2    5  10
Reset  Targeted L1    .2    5  {ALL_IMAGES}
Reset  Targeted L1    .1    5  10
Reset  Targeted L1    .067 15  10
Reset  Targeted L1    .1   15  10
"""


def thetas(grid: Grid, seed: int = 0) -> tuple[Theta, ...]:
    """The points of a grid, without repeats; `seed` is for Random sampling."""
    return tuple(replace(theta, seed=seed) for theta in _GRIDS[grid])


def execution_ladder(theta: Theta) -> tuple[Theta, ...]:
    """theta_exec, the paper's second stage: other |S| x |D| of a theta that was found best, costliest first.

    |S| = 15 and 8 of Targeted are one measurement, as are 16, 15 and 8 of Random. |D| = 10 and 20 are the images that
    `select` picks, some of which are not among its 40.
    """
    sizes = {(theta.num_pruned_models, theta.num_images), (doubled(theta).num_pruned_models, theta.num_images), *_CHEAP}
    ladder = [replace(theta, num_pruned_models=models, num_images=images) for models, images in sizes]
    return tuple(sorted(ladder, key=lambda one: (-one.num_pruned_models * one.num_images, -one.num_images)))


def _row(text: str) -> Theta:
    method, sampling, ranking, p, models, images, *trim_k = text.split()
    return Theta(
        PruningMethod(method),
        SamplingMethod(sampling),
        RankingMethod(ranking),
        float(p),
        int(models),
        int(images),
        trim_k=float(trim_k[0]) if trim_k else 0.5,
    )


def _rows(table: str) -> tuple[Theta, ...]:
    return tuple(map(_row, table.strip().splitlines()))


def _wide() -> tuple[Theta, ...]:
    # Chosen by a glance at the answers of three networks, never at labels: for some architecture each point leaves them
    # between right and chance.
    return (*_reset(), *_remove_and_trim(), *_amplify(), *_stimulate())


def _point(method: PruningMethod, p: float) -> Theta:
    """The first stage's theta, Targeted by L1."""
    return Theta(method, SamplingMethod.TARGETED, RankingMethod.L1, p, *_FIRST_STAGE)


def _reset() -> list[Theta]:
    points = [_point(PruningMethod.RESET, p) for p in (ONE_FILTER, 0.01, 0.02, 0.03, 0.067)]
    samplings = [replace(points[1], sampling_method=other) for other in (SamplingMethod.UNIFORM, SamplingMethod.RANDOM)]
    others = (RankingMethod.LINF, RankingMethod.STDEV)  # L2 orders nearly as L1 does
    rankings = [replace(points[1], ranking_method=other) for other in others]
    thirds = [
        replace(_point(PruningMethod.RESET, p), layers=layers)
        for layers, p in ((LayerRange.EARLY, 0.03), (LayerRange.MIDDLE, 0.067), (LayerRange.LATE, 0.134))
    ]
    return [*points, *samplings, *rankings, *thirds]


def _remove_and_trim() -> list[Theta]:
    removed = [_point(PruningMethod.REMOVE, p) for p in (ONE_FILTER, 0.01, 0.02)]
    trimmed = [_point(PruningMethod.TRIM, p) for p in (0.03, 0.067, 0.134)]
    gently = replace(_point(PruningMethod.TRIM, 0.268), trim_k=1.0)
    uniform = replace(removed[1], sampling_method=SamplingMethod.UNIFORM)
    return [*removed, *trimmed, gently, uniform]


def _amplify() -> list[Theta]:
    """The more a gain does, the fewer filters and layers it is tried on: saturated answers say nothing."""
    return [
        replace(_point(PruningMethod.AMPLIFY, p), gain=gain, layers=layers)
        for layers, gain, shares in (
            (LayerRange.ALL, 2.0, (0.03,)),
            (LayerRange.ALL, 3.0, (0.01, 0.03)),
            (LayerRange.ALL, 5.0, (ONE_FILTER, 0.01)),
            (LayerRange.EARLY, 3.0, (0.03,)),
            (LayerRange.MIDDLE, 3.0, (0.03,)),
            (LayerRange.LATE, 5.0, (0.03,)),
        )
        for p in shares
    ]


def _stimulate() -> list[Theta]:
    """One channel of each layer of a part."""
    return [
        replace(_point(PruningMethod.STIMULATE, ONE_FILTER), gain=gain, layers=layers)
        for layers, gains in (
            (LayerRange.EARLY, (1.5, 3.0)),
            (LayerRange.MIDDLE, (10.0,)),
            (LayerRange.LATE, (5.0, 20.0)),
        )
        for gain in gains
    ]


_GRIDS: Mapping[Grid, tuple[Theta, ...]] = MappingProxyType(
    {Grid.PAPER_ROUND1: _rows(_PAPER_ROUND1), Grid.PAPER_ROUND2: _rows(_PAPER_ROUND2), Grid.WIDE: _wide()}
)
