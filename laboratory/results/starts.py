"""Models whose training began at a network that no model of the fit began at: how far does a regression reach?

Models of a small round start from one of a few networks that know signs already. Every fold holds models of each, so
nested cross-validation cannot tell what is known of trojans from what is known of these networks; this can.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detector.learning.evaluation.design import Design
from detector.learning.evaluation.metrics import roc_auc
from detector.learning.regression.logistic import Logistic
from detector.learning.search.procedures import published
from detector.sweep.readings import ArchitectureReadings


@dataclass(frozen=True)
class OtherStarts:
    """ROC-AUC of each start's models, none of which the pooled search and fit have seen.

    `p_value` is that of their mean: the share of permutations, the true labels counted in, that do as well.
    """

    aucs: Mapping[int, float]
    p_value: float


def judge_other_starts(
    readings: Sequence[ArchitectureReadings], design: Design, starts: Mapping[str, int]
) -> OtherStarts | None:
    """Fit on the models of all starts but one and score that one's; `starts` has the number of each model's by name.

    None unless all models have a start, and there are two or more.
    """
    numbers = [starts.get(name) for one in readings for name in one.names]
    groups = sorted({number for number in numbers if number is not None})
    if None in numbers or len(groups) < 2:
        return None
    procedure = published(readings, design)
    aucs = np.array([_aucs_of(procedure, np.array(numbers) == group) for group in groups])
    means = aucs.mean(axis=0)
    return OtherStarts(dict(zip(groups, aucs[:, 0].tolist(), strict=True)), float(np.mean(means >= means[0])))


def _aucs_of(procedure: Logistic, held_out: np.ndarray) -> np.ndarray:
    """ROC-AUCs (P,) under each set of labels. An architecture is standardised by its models of the fit."""
    answers, labels = procedure.answers(~held_out)[held_out], procedure.design.labels[held_out]
    return np.array([roc_auc(answers[:, column], one) for column, one in enumerate(labels.T)])
