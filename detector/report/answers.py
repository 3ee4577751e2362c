"""What the network answers to each example, as it is and under the probe that drives most images into one class.

Logits may hold anything: an image whose logits hold NaN has no answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class ExampleAnswer:
    """One image: its file, its class, the class that the network answers, and the one under the strongest probe.

    `label` is None where nobody has said the class.
    """

    file: str
    label: int | None
    answer: int | None
    probed: int | None = None


def example_answers(
    names: Sequence[str], labels: Labels, unpruned: Logits, probed: Logits | None = None, *, labelled: bool = True
) -> tuple[tuple[ExampleAnswer, ...], int | None]:
    """Of logits (N, C) and, under K probes, (K, N, C); also which probe is the strongest, None if there are none.

    Where the images are not `labelled`, the labels are the network's own answers, and no answer tells them.
    """
    answers = _classes(unpruned)
    strongest = None if probed is None or not len(probed) else _strongest(labels, probed)
    under = [None] * len(names) if strongest is None or probed is None else _classes(probed[strongest])
    known = labels.tolist() if labelled else [None] * len(names)
    rows = zip(names, known, answers, under, strict=True)
    return tuple(ExampleAnswer(*row) for row in rows), strongest


def _classes(logits: Logits) -> list[int | None]:
    return [None if np.isnan(row).any() else int(row.argmax()) for row in logits]


def _strongest(labels: Labels, probed: Logits) -> int:
    """The probe under which most images are answered with one class that is not theirs."""
    return max(range(len(probed)), key=lambda number: _driven(labels, _classes(probed[number])))


def _driven(labels: Labels, answers: Sequence[int | None]) -> int:
    wrong = [answer for answer, label in zip(answers, labels.tolist(), strict=True) if answer not in (None, label)]
    return max(map(wrong.count, set(wrong)), default=0)
