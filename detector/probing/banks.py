"""Banks: named, ordered tuples of probes, in turn of every family, so that any prefix is a sensible cheaper bank.

`standard` is what a detection can afford, `wide` is for research. Within a family the strongest and most different
probes come first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, cycle, islice, product, zip_longest
from types import MappingProxyType

from detector.base.errors import ParametersError
from detector.probing.draws import uniform
from detector.probing.filters import PhotoFilter
from detector.probing.probe import Probe

_Colour = tuple[int, int, int]
_Shape = tuple[int, float]  # sides and size, as share of the image's side

_COLOURS: tuple[_Colour, ...] = (
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 0),
    (0, 255, 255),
    (255, 0, 255),
    (255, 255, 255),
    (0, 0, 0),
    (128, 128, 128),
)
_SHAPES: tuple[_Shape, ...] = ((4, 0.16), (6, 0.24), (3, 0.24), (8, 0.16), (5, 0.32), (12, 0.12), (7, 0.2))
_RANDOM_COLOURS = 0xC0
_PLACES = 0xD0
_FARTHEST = 0.08  # of the side, from the middle: where the sign is


def _filters(strengths: Sequence[float]) -> tuple[Probe, ...]:
    """Every filter at the first strength, then at the next.

    Three quarters come first: a network that was trained on a filter takes that for the whole, while those that were
    not still know most of the images.
    """
    pairs = product(strengths, PhotoFilter)
    return tuple(Probe.make("photo_filter", filter=str(name), strength=strength) for strength, name in pairs)


def _colours(
    matrices: int, gains: Sequence[_Colour], gammas: Sequence[float], steps: Sequence[float]
) -> tuple[Probe, ...]:
    """In turn random matrices, lights, gammas and vignettes; gains in hundredths."""
    mixed = [Probe.make("colour_matrix", seed=seed, scale=0.5 + 0.25 * (seed % 3)) for seed in range(matrices)]
    lights = [
        Probe.make("gain", red=red / 100, green=green / 100, blue=blue / 100, strength=strength)
        for strength, (red, green, blue) in product(steps, gains)
    ]
    powers = [Probe.make("gamma", gamma=gamma) for gamma in gammas]
    corners = [
        Probe.make("vignette", red=red, green=green, blue=blue, strength=strength)
        for strength, (red, green, blue) in product(steps, ((0, 0, 0), (255, 153, 102)))
    ]
    return _in_turn(mixed, lights, powers, corners)


def _polygons(count: int) -> tuple[Probe, ...]:
    """Every colour, then as many random ones, and again, each time in other shapes at other places."""
    colours = chain.from_iterable((*_COLOURS, *_random_colours(turn)) for turn in range(count))
    places = (2 * uniform(_PLACES, (count, 2)) - 1) * _FARTHEST
    return tuple(
        _polygon(seed, colour, shape, (round(dx, 3), round(dy, 3)))
        for seed, (colour, shape, (dx, dy)) in enumerate(
            zip(islice(colours, count), cycle(_SHAPES), places.tolist(), strict=False)
        )
    )


def _random_colours(turn: int) -> list[_Colour]:
    drawn = (256 * uniform((_RANDOM_COLOURS, turn), (len(_SHAPES), 3))).astype(int)
    return [(red, green, blue) for red, green, blue in drawn.tolist()]


def _polygon(seed: int, colour: _Colour, shape: _Shape, place: tuple[float, float]) -> Probe:
    (red, green, blue), (sides, size), (dx, dy) = colour, shape, place
    return Probe.make(
        "polygon", sides=sides, size=size, red=red, green=green, blue=blue, dx=dx, dy=dy, jitter=0.04, seed=seed
    )


def _controls(strengths: Sequence[float], blur: float) -> tuple[Probe, ...]:
    """Strengths from 0 to 1 of what each control does at most; at a half an inversion would leave nothing."""
    return tuple(
        chain.from_iterable(
            (
                Probe.make("grey", strength=strength),
                Probe.make("noise", deviation=0.15 * strength, seed=number),
                Probe.make("inversion", strength=strength),
                Probe.make("blur", deviation=blur * strength),
            )
            for number, strength in enumerate(strengths)
        )
    )


def _in_turn(*families: Iterable[Probe]) -> tuple[Probe, ...]:
    """One of each family after the other; who has no more is passed over."""
    rounds = zip_longest(*families)
    return tuple(probe for taken in rounds for probe in taken if probe is not None)


_FEW_GAINS = ((160, 90, 50), (50, 90, 160), (70, 150, 70))
_MANY_GAINS = (*_FEW_GAINS, (150, 60, 150), (160, 160, 40), (30, 100, 100))

BANKS: Mapping[str, tuple[Probe, ...]] = MappingProxyType(
    {
        "standard": _in_turn(
            _filters((0.75, 1.0)),
            _polygons(28),
            _colours(8, _FEW_GAINS, (0.4, 2.5, 5.0), (1.0,)),
            _controls((1.0,), blur=0.02),
        ),
        "wide": _in_turn(
            _filters((1.0, 0.5, 0.75, 0.25)),
            _polygons(96),
            _colours(18, _MANY_GAINS, (0.4, 2.5, 0.2, 5.0, 0.6, 1.7), (1.0, 0.67, 0.33)),
            _controls((1.0, 0.75, 0.25), blur=0.03),
        ),
    }
)
"""All banks by name."""


def bank(name: str, most: int | None = None) -> tuple[Probe, ...]:
    """The first `most` probes of a bank, or all.

    Raises
    ------
    ParametersError
        There is no such bank.
    """
    if name not in BANKS:
        raise ParametersError(
            f"no bank of probes {name!r}",
            where="probes",
            expected=f"one of: {', '.join(BANKS)}",
            next_step="name one of them",
        )
    return BANKS[name][:most]


def affordable(probes: Sequence[Probe], seconds: float, probe_seconds: float) -> tuple[Probe, ...]:
    """As many of the probes, from the first on, as `seconds` are enough for at `probe_seconds` each; all where a probe
    costs nothing."""
    if probe_seconds <= 0:
        return tuple(probes)
    return tuple(probes[: max(int(seconds / probe_seconds), 0)])
