"""The signal `unpruned`: the readings of the network as it is, and how many classes it knows.

What accuracies under pruning depend on besides a trojan. It has numbers of its own: a further signal of variants does
not become one of them.
"""

from __future__ import annotations

import numpy as np

from detector.signals.accuracy import ACCURACY
from detector.signals.answers import Answers, Array, Labels, Logits
from detector.signals.concentration import CONCENTRATION
from detector.signals.entropy import ENTROPY
from detector.signals.log_probability import LOG_PROBABILITY
from detector.signals.lowest_recall import LOWEST_RECALL
from detector.signals.margin import MARGIN
from detector.signals.registry import SIGNALS, Context, ModelSignal, Scope

_READINGS = (ACCURACY, LOG_PROBABILITY, MARGIN, ENTROPY, CONCENTRATION, LOWEST_RECALL)

UNPRUNED_STATISTICS = (*(signal.name for signal in _READINGS), "log_classes")
"""Names of the numbers of the signal `unpruned`."""


def unpruned_statistics(unpruned: Logits, labels: Labels) -> Array:
    """The readings of the unpruned network and the logarithm of its number of classes, (K,), for logits (N, C)."""
    answers = Answers.of(unpruned[None], labels)
    return np.array([*(signal.read(answers)[0] for signal in _READINGS), np.log(unpruned.shape[-1])])


def _read(context: Context) -> Array:
    return unpruned_statistics(context.unpruned, context.labels)


UNPRUNED = ModelSignal(
    "unpruned",
    1,
    Scope.NETWORK,
    UNPRUNED_STATISTICS,
    _read,
    "the same readings of the unpruned network, and how many classes it knows",
)
SIGNALS.add(UNPRUNED)
