"""What the regressions say of the models of another round, on which nothing was fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detector.configure.figures import Judgement, judge, permuted_p_value
from detector.configure.readings import ArchitectureReadings
from detector.configure.regressions import Regression


@dataclass(frozen=True)
class Unseen:
    """Figures of a fixed mapping; `p_value` of its ROC-AUC, labels shuffled within architectures."""

    judgement: Judgement
    p_value: float


def judge_unseen(learned: Sequence[Regression], unseen: Sequence[ArchitectureReadings], seed: int) -> Unseen | None:
    """What the regressions say of models of a round that they were not fitted on; None if there are none."""
    own = {one.readings.architecture: one for one in learned}
    known = [one for one in unseen if one.architecture in own]
    if not known:
        return None
    answers = np.concatenate([own[one.architecture].probabilities(one) for one in known])
    labels = np.concatenate([one.poisoned for one in known])
    groups = np.repeat(np.arange(len(known)), [len(one.poisoned) for one in known])
    p_value = permuted_p_value(answers, labels, groups, np.random.default_rng(seed))
    return Unseen(judge(answers[None, :, None], labels[:, None], seed), p_value)
