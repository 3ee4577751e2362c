"""What the regressions say of the models of another round, on which nothing was fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detector.learning.evaluation.metrics import Metrics, judge, roc_auc
from detector.learning.evaluation.permutation import permutation_test
from detector.learning.regressions import Regression
from detector.sweep.readings import ArchitectureReadings

_PERMUTATIONS = 2000  # of a fixed mapping, which need not be fitted again


@dataclass(frozen=True)
class Unseen:
    """Figures of a fixed mapping, of all models and of each architecture's `own`.

    `p_value` is that of the ROC-AUC of all, labels shuffled within architectures.
    """

    judgement: Metrics
    p_value: float
    own: tuple[tuple[str, Metrics], ...]


def judge_unseen(learned: Sequence[Regression], unseen: Sequence[ArchitectureReadings], seed: int) -> Unseen | None:
    """What the regressions say of models of a round that they were not fitted on; None if there are none."""
    own = {one.readings.architecture: one for one in learned}
    known = [one for one in unseen if one.architecture in own]
    if not known:
        return None
    by_architecture = [own[one.architecture].probabilities(one) for one in known]
    answers = np.concatenate(by_architecture)
    labels = np.concatenate([one.poisoned for one in known])
    groups = np.repeat(np.arange(len(known)), [len(one.poisoned) for one in known])
    test = permutation_test(
        lambda shuffled: roc_auc(answers, shuffled),
        labels,
        np.random.default_rng(seed),
        groups=groups,
        permutations=_PERMUTATIONS,
    )
    judged = [
        (one.architecture, judge(found[None, :, None], one.poisoned[:, None], seed))
        for one, found in zip(known, by_architecture, strict=True)
    ]
    return Unseen(judge(answers[None, :, None], labels[:, None], seed), test.p_value, tuple(judged))
