"""What is read off the answers to probed images: whether changes like a trigger's drive the images into one class.

All readings lie between 0 and 1, are larger where more speaks for a trojan, and are told by family of probes, so that
a mapping can say that any one of them is enough. They do not depend on how large a network's logits are: hard answers
count as they are, soft ones by probabilities at a temperature of the network's own. Images that the unpruned network
gets wrong are left out, and every class counts the same, however many images it has. Logits may hold anything: an
image whose logits hold NaN is no answer. Time and memory grow with the classes that have images, not with all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.probing.kind import Family
from detector.probing.probe import Probe
from detector.signals.answers import Labels, Logits, log_probabilities

Array = NDArray[np.float64]

_CONFIDENCE = 0.9
_FLIPPED = 0.5
_FEWEST_FLIPS = 3.0
_NO_GAP = 0.01  # a lead that no forty images can tell from none


class Answer(StrEnum):
    """How much an image's logits count for each class."""

    HARD = "hard"  # all for the largest logit
    SOFT = "soft"  # probabilities at the temperature of `own_temperature`


def kept_images(unpruned: Logits, labels: Labels) -> NDArray[np.int64]:
    """Indices of the images that the unpruned network, logits (N, C), classifies correctly; equal logits are none."""
    others = unpruned.astype(np.float64)
    rows = np.arange(len(labels))
    true = others[rows, labels]
    others[rows, labels] = -np.inf
    known = ~np.isnan(unpruned).any(axis=1)
    return np.flatnonzero(known & (true > others.max(axis=1)))


def own_unit(unpruned: Logits, labels: Labels) -> float:
    """The network's own unit of logits: how far the true class lies above the mean of the others, on average over the
    images that it gets right. 1 where there is no such image, or no finite distance."""
    kept = kept_images(unpruned, labels)
    logits, count = unpruned[kept].astype(np.float64), unpruned.shape[1]
    true = logits[np.arange(len(kept)), labels[kept]]
    with np.errstate(invalid="ignore", over="ignore"):
        unit = float((true - (logits.sum(axis=1) - true) / max(count - 1, 1)).mean()) if len(kept) else 1.0
    return unit if np.isfinite(unit) and unit > 0 else 1.0


def own_temperature(unpruned: Logits, labels: Labels) -> float:
    """The temperature at which a class that lies one unit above all the others has a probability of 0.9."""
    odds = _CONFIDENCE / (1 - _CONFIDENCE) * max(unpruned.shape[1] - 1, 1)
    return own_unit(unpruned, labels) / float(np.log(odds))


@dataclass(frozen=True)
class Pull:
    """Where the probed images go.

    Attributes
    ----------
    table
        (K, B, C): of probe k, the mean share of class c in the answers to kept images of class `sources[b]`.
    sources
        The classes with kept images, ascending, (B,).
    probes
        K of them.
    """

    table: Array
    sources: Labels
    probes: tuple[Probe, ...]

    @classmethod
    def of(cls, unpruned: Logits, probed: Logits, labels: Labels, probes: Sequence[Probe], answer: Answer) -> Pull:
        """Of logits (N, C) of the unpruned network and (K, N, C) of the probed images, of classes `labels` (N,).

        Raises
        ------
        ValueError
            If the shapes do not belong together.
        """
        if probed.shape != (len(probes), *unpruned.shape) or labels.shape != unpruned.shape[:1]:
            raise ValueError(f"expected {len(probes)} times logits of {unpruned.shape}, got {probed.shape}")
        kept = kept_images(unpruned, labels)
        temperature = own_temperature(unpruned, labels)
        shares = [_SHARES[answer](one[kept], temperature) for one in probed]
        sources = np.unique(labels[kept])
        table = np.zeros((len(probes), len(sources), unpruned.shape[1]))
        for row, source in enumerate(sources):
            members = labels[kept] == source
            for number, one in enumerate(shares):
                table[number, row] = one[members].mean(axis=0)
        return cls(table, sources, tuple(probes))

    @cached_property
    def pairs(self) -> Array:
        """The table without what stays: 0 where the answered class is the source class."""
        pairs = self.table.copy()
        pairs[:, np.arange(len(self.sources)), self.sources] = 0.0
        return pairs

    @cached_property
    def shares(self) -> Array:
        """(K, C): the mean share of each class over the other source classes; 0 where there is none."""
        others = np.full(self.table.shape[2], len(self.sources))
        others[self.sources] -= 1
        shares: Array = self.pairs.sum(axis=1) / np.maximum(others, 1)
        return shares

    def subset(self, rows: Sequence[int]) -> Pull:
        """Of these probes alone."""
        return Pull(self.table[list(rows)], self.sources, tuple(self.probes[row] for row in rows))

    def by(self, key: Callable[[Probe], Any]) -> dict[Any, Pull]:
        """Groups of probes with the same key, in the order of their first ones."""
        groups: dict[Any, list[int]] = defaultdict(list)
        for row, probe in enumerate(self.probes):
            groups[key(probe)].append(row)
        return {name: self.subset(rows) for name, rows in groups.items()}


def _hard(logits: Logits, _: float) -> Array:
    answered = np.zeros(logits.shape)
    answered[np.arange(len(logits)), logits.argmax(axis=1)] = 1.0
    return np.where(np.isnan(logits).any(axis=1, keepdims=True), 0.0, answered)


def _soft(logits: Logits, temperature: float) -> Array:
    lost = np.isnan(logits).any(axis=1, keepdims=True)
    return np.where(lost, 0.0, np.exp(log_probabilities(logits.astype(np.float64) / temperature)))


_SHARES: Mapping[Answer, Callable[[Logits, float], Array]] = MappingProxyType({Answer.HARD: _hard, Answer.SOFT: _soft})


def largest_share(pull: Pull) -> float:
    """The largest share of one class over all others, under the probe where it is largest."""
    return float(pull.shares.max(initial=0.0))


def mean_share(pull: Pull) -> float:
    """The largest share of one class over all others, averaged over the probes of a kind; the largest of the kinds."""
    return max(float(kind.shares.mean(axis=0).max(initial=0.0)) for kind in pull.by(lambda p: p.kind).values())


def mean_lead(pull: Pull) -> float:
    """How far the class with the largest mean share is ahead of the mean of the other classes, both averaged over the
    probes of a kind; the largest of the kinds. What leaves its class for any other does not count."""
    means = [kind.shares.mean(axis=0) for kind in pull.by(lambda p: p.kind).values()]
    others = max(pull.shares.shape[1] - 1, 1)
    return max(float(one.max() - (one.sum() - one.max()) / others) for one in means)


def mean_gap(pull: Pull) -> float:
    """How far the class with the largest mean share is ahead of the next one, both averaged over the probes of a kind;
    the largest of the kinds."""
    means = [np.sort(kind.shares.mean(axis=0)) for kind in pull.by(lambda p: p.kind).values()]
    return max(float(one[-1] - one[-2:-1].sum()) for one in means)


def usual_gap(pull: Pull) -> float:
    """How far the class with the largest share is ahead of the next one, averaged over the probes."""
    ordered = np.sort(pull.shares, axis=1)
    return float((ordered[:, -1] - ordered[:, -2:-1].sum(axis=1)).mean())


def steady_gap(pull: Pull) -> float:
    """How far the class with the largest mean share is ahead of the next one, both averaged over the probes of a kind,
    against how much a share differs from probe to probe: g / (g + e) of a gap g and the standard error e of the mean
    share that differs most; the largest of the kinds. A trigger's own class leads under most probes, a chance one
    under few."""
    return max(_steadiness(kind.shares) for kind in pull.by(lambda p: p.kind).values())


def _steadiness(shares: Array) -> float:
    """Of shares (K, C) under K probes of a kind."""
    means = np.sort(shares.mean(axis=0))
    gap = float(means[-1] - means[-2:-1].sum())
    error = float(shares.std(axis=0).max() / np.sqrt(len(shares)))
    return gap / (gap + error + _NO_GAP)


def share_gap(pull: Pull) -> float:
    """How far the class with the largest share is ahead of the next one, under the probe where that is most."""
    ordered = np.sort(pull.shares, axis=1)
    return float((ordered[:, -1] - ordered[:, -2:-1].sum(axis=1)).max(initial=0.0))


def strongest_pair(pull: Pull) -> float:
    """The largest share of a class in the answers to another one, under the probe where it is largest."""
    return float(pull.pairs.max(initial=0.0))


def mean_pair(pull: Pull) -> float:
    """The largest share of a class in the answers to another one, averaged over the probes of a kind; the largest of
    the kinds."""
    return max(float(kind.pairs.mean(axis=0).max(initial=0.0)) for kind in pull.by(lambda p: p.kind).values())


def consistency(pull: Pull) -> float:
    """The share of the probes under which the same class has the largest share; equals count for each of them."""
    largest = pull.shares.max(axis=1, keepdims=True, initial=0.0)
    wins = (pull.shares == largest) & (largest > 0)
    return float(wins.mean(axis=0).max(initial=0.0))


def flip_concentration(pull: Pull) -> float:
    """Of all that leaves its class, the share that goes to one class, over all the probes; as if three source classes
    more had gone nowhere in particular, so that a single slip is no concentration."""
    left = pull.pairs.sum(axis=(0, 1))
    return float(left.max(initial=0.0) / (left.sum() + _FEWEST_FLIPS))


def staying(pull: Pull) -> float:
    """What stays where others leave: of the class with the largest mean share, its share of the half of the source
    classes that it takes most of, less that of the other half. A trigger for one class leaves the others alone."""
    if len(pull.sources) < 3:
        return 0.0
    target = int(pull.shares.mean(axis=0).argmax())
    ordered = np.sort(pull.pairs.mean(axis=0)[pull.sources != target, target])
    middle = len(ordered) // 2
    return float(ordered[middle:].mean() - ordered[:middle].mean())


def early_flip(pull: Pull) -> float:
    """How early a class takes half of all others as strength grows, in the series where it is earliest: 1 at the
    smallest strength that is tried, 1 / n at the largest of n, 0 where it never does or nothing is tried twice."""
    return max((_earliness(one.shares, one.probes) for one in _series(pull)), default=0.0)


def early_pair(pull: Pull) -> float:
    """The same of any one class that takes half of any one other."""
    series = _series(pull)
    return max((_earliness(one.pairs.reshape(len(one.probes), -1), one.probes) for one in series), default=0.0)


def _series(pull: Pull) -> list[Pull]:
    """Probes that differ in strength alone, of two strengths or more."""
    told = {key: one for key, one in pull.by(lambda probe: probe.series).items() if one.probes[0].strength is not None}
    return [one for one in told.values() if len(one.probes) > 1]


def _earliness(shares: Array, probes: Sequence[Probe]) -> float:
    """Of shares (K, anything): the share of the strengths from the first one on at which any is above a half."""
    order = sorted(range(len(probes)), key=lambda row: probes[row].strength or 0.0)
    flipped = (shares[order] > _FLIPPED).any(axis=1)
    return float(1 - flipped.argmax() / len(order)) if flipped.any() else 0.0


READINGS: Mapping[str, Callable[[Pull], float]] = MappingProxyType(
    {
        "largest_share": largest_share,
        "mean_share": mean_share,
        "mean_lead": mean_lead,
        "share_gap": share_gap,
        "strongest_pair": strongest_pair,
        "mean_pair": mean_pair,
        "consistency": consistency,
        "flip_concentration": flip_concentration,
        "staying": staying,
        "early_flip": early_flip,
        "early_pair": early_pair,
        "mean_gap": mean_gap,
        "usual_gap": usual_gap,
        "steady_gap": steady_gap,
    }
)
"""All readings of a family of probes by name."""


def reading_names(probes: Sequence[Probe]) -> tuple[str, ...]:
    """Names of the numbers of `probe_readings` for these probes: family, answer, reading; families that have none of
    the probes are left out."""
    families = [family for family in Family if any(probe.family is family for probe in probes)]
    return tuple(f"{family}.{answer}.{name}" for family in families for answer in Answer for name in READINGS)


def probe_readings(unpruned: Logits, probed: Logits, labels: Labels, probes: Sequence[Probe]) -> Array:
    """All readings (R,), in the order of `reading_names(probes)`, each from 0 to 1.

    Parameters
    ----------
    unpruned, probed
        Logits (N, C) of the images, and (K, N, C) of the same under each of the K probes, of the unpruned network.
    labels
        The true classes, (N,).

    Raises
    ------
    ValueError
        If the shapes do not belong together.
    """
    if len(probed) != len(probes):
        raise ValueError(f"expected logits of {len(probes)} probes, got {len(probed)}")
    families = [family for family in Family if any(probe.family is family for probe in probes)]
    rows = {family: [row for row, probe in enumerate(probes) if probe.family is family] for family in families}
    parts = [family_readings(unpruned, probed[own], labels, tuple(probes[row] for row in own)) for own in rows.values()]
    return np.concatenate(parts or [np.empty(0)])


def family_readings(unpruned: Logits, probed: Logits, labels: Labels, probes: Sequence[Probe]) -> Array:
    """The readings (28,) of probes of one family, hard answers first; shapes and errors as of `probe_readings`."""
    pulls = [Pull.of(unpruned, probed, labels, probes, answer) for answer in Answer]
    return np.array([read(pull) for pull in pulls for read in READINGS.values()])
