"""Two evaluations of one round side by side: which answers better, and whether that is more than the draw of models.

Paired: both are read on the same models, and an interval is that of models drawn again with replacement, clean and
poisoned ones each, both evaluations at a time. Every difference is the second less the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detector.base.errors import UsageError
from detector.learning.evaluation.metrics import (
    RESAMPLES,
    Array,
    Labels,
    cross_entropies,
    interval,
    resampled_aucs,
    wins,
)
from detector.scoring.answers import Answer
from detector.scoring.metrics import SEED, probabilities_and_labels


@dataclass(frozen=True)
class Difference:
    """A metric of both, the second less the first, and the 95 % interval of that."""

    first: float
    second: float
    value: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Change:
    """A model and what both answer."""

    model: str
    truth: bool | None
    first: float
    second: float


@dataclass(frozen=True)
class Comparison:
    """Two evaluations of a round.

    Attributes
    ----------
    num_models, num_poisoned
        Models of known truth that both have a row for.
    only_first, only_second
        Models that one alone has a row for; they are not compared.
    differences
        By metric: cross_entropy, brier, roc_auc, accuracy where truths are known (of both classes for roc_auc), and
        seconds, of all models that both have, where both have measured them.
    changes
        All models that are answered differently, the largest change first.
    """

    num_models: int
    num_poisoned: int
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    differences: Mapping[str, Difference]
    changes: tuple[Change, ...]


def compare(first: Mapping[str, Answer], second: Mapping[str, Answer]) -> Comparison:
    """Compare the answers, by model, of two evaluations.

    Raises
    ------
    UsageError
        They have no model in common, or the truth of a model differs between them.
    """
    pairs = [(first[model], second[model]) for model in sorted(first.keys() & second.keys())]
    _check(pairs)
    known = [pair for pair in pairs if pair[0].truth is not None]
    differences = {**(_by_truth(known) if known else {}), **_seconds(pairs)}
    changes = [
        Change(a.model, a.truth, a.probability, b.probability) for a, b in pairs if a.probability != b.probability
    ]
    return Comparison(
        num_models=len(known),
        num_poisoned=sum(bool(a.truth) for a, _ in known),
        only_first=tuple(sorted(first.keys() - second.keys())),
        only_second=tuple(sorted(second.keys() - first.keys())),
        differences=differences,
        changes=tuple(sorted(changes, key=lambda one: (-abs(one.second - one.first), one.model))),
    )


def _check(pairs: Sequence[tuple[Answer, Answer]]) -> None:
    wrong = [a.model for a, b in pairs if a.truth != b.truth]
    if wrong or not pairs:
        raise UsageError(
            f"the truth of {wrong[0]} differs between the two" if wrong else "the two have no model in common",
            where="compare",
            expected="two evaluations of one round, under the same labels",
            next_step="run `merge` on both, which reads the labels again" if wrong else "name two of one round",
        )


def _by_truth(pairs: Sequence[tuple[Answer, Answer]]) -> dict[str, Difference]:
    (first, labels), (second, _) = (probabilities_and_labels(side) for side in zip(*pairs, strict=True))
    found = {
        "cross_entropy": _of_means(cross_entropies(first, labels), cross_entropies(second, labels), labels),
        "brier": _of_means((first - labels) ** 2, (second - labels) ** 2, labels),
        "accuracy": _of_means(_right(first, labels), _right(second, labels), labels),
    }
    if 0 < labels.sum() < len(labels):
        found["roc_auc"] = _of_curves(first, second, labels)
    return found


def _right(probabilities: Array, labels: Labels) -> Array:
    """1 for a model on the right side of 0.5, 0 for the others and for 0.5 itself, (N,)."""
    right: Array = np.where(labels == 1, probabilities > 0.5, probabilities < 0.5).astype(np.float64)
    return right


def _seconds(pairs: Sequence[tuple[Answer, Answer]]) -> dict[str, Difference]:
    """Nothing where one side has not measured any: the held-out answers of `configure`."""
    times = np.array([(a.seconds, b.seconds) for a, b in pairs])
    if not times.any(axis=0).all():
        return {}
    return {"seconds": _of_means(times[:, 0], times[:, 1], np.zeros(len(times), dtype=np.int64))}


def _of_means(first: Array, second: Array, labels: Labels) -> Difference:
    """Of the means of two numbers of each model (N,), drawn again within the classes of the labels (N,)."""
    rng, differences = np.random.default_rng(SEED), second - first
    drawn = np.zeros(RESAMPLES)
    for label in np.unique(labels):
        some = differences[labels == label]
        drawn += rng.multinomial(len(some), np.full(len(some), 1 / len(some)), RESAMPLES) @ some
    means = float(first.mean()), float(second.mean())
    return Difference(*means, float(differences.mean()), interval(drawn / len(labels)))


def _of_curves(first: Array, second: Array, labels: Labels) -> Difference:
    one, other = wins(first[None], labels), wins(second[None], labels)
    drawn = resampled_aucs(other - one, np.random.default_rng(SEED))
    return Difference(float(one.mean()), float(other.mean()), float((other - one).mean()), interval(drawn))
