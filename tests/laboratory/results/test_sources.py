"""The figures of each kind of trigger: all clean models beside that kind alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from detector.sweep.readings import ArchitectureReadings
from laboratory.results.sources import judge_by_sources

Make = Callable[..., Sequence[ArchitectureReadings]]


def test_each_kind_is_judged_beside_all_clean_models(make_round: Make) -> None:
    """The answers know the first kind, and not the second."""
    (readings,) = make_round(0, 0.0)[:1]
    labels = np.column_stack([readings.poisoned, readings.poisoned])
    bad = [name for name, label in zip(readings.names, readings.poisoned, strict=True) if label]
    sources = {name: "all" if number < 6 else "one" for number, name in enumerate(bad)}
    sources[bad[-1]] = "two"  # the only one of its kind
    sources |= {name: "all" for name in readings.names if name not in bad}  # of clean models it means nothing
    known = np.array([sources[name] == "all" and name in bad for name in readings.names])
    answers = np.where(known, 0.9, 0.2)[None, :, None] * np.ones((2, 1, 2))
    first, second = judge_by_sources(answers, labels, [readings], sources, 0)
    assert (first.sources, second.sources) == ("all", "one")
    assert (first.metrics.num_poisoned, second.metrics.num_poisoned) == (6, len(bad) - 7)
    assert first.metrics.num_models == 6 + 15
    assert (first.metrics.roc_auc, second.metrics.roc_auc) == (1.0, 0.5)
    assert second.metrics.cross_entropy == pytest.approx(
        -(15 * np.log(0.8) + (len(bad) - 7) * np.log(0.2)) / second.metrics.num_models
    )


def test_nothing_is_said_where_nothing_is_known(make_round: Make) -> None:
    (readings,) = make_round(0, 0.0)[:1]
    answers = np.full((1, 30, 1), 0.5)
    assert judge_by_sources(answers, readings.poisoned[:, None], [readings], {}, 0) == ()
