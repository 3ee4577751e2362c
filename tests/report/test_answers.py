"""What the network answers to each image, and which probe drives most of them into one class."""

from __future__ import annotations

import numpy as np

from detector.report.answers import ExampleAnswer, example_answers

LABELS = np.array([0, 1, 2])


def logits(*classes: int) -> np.ndarray:
    return np.eye(3, dtype=np.float32)[list(classes)]


def test_the_strongest_probe_is_the_one_that_drives_most_into_one_class() -> None:
    scattered, driven = logits(1, 2, 0), logits(0, 0, 0)  # all are wrong there, but to different classes
    answers, strongest = example_answers(("a", "b", "c"), LABELS, logits(0, 1, 1), np.stack([scattered, driven]))
    assert strongest == 1
    assert answers == (ExampleAnswer("a", 0, 0, 0), ExampleAnswer("b", 1, 1, 0), ExampleAnswer("c", 2, 1, 0))


def test_an_image_without_numbers_has_no_answer_and_without_probes_none_is_strongest() -> None:
    lost = logits(0, 1, 2)
    lost[1, 0] = np.nan
    for probed in (None, np.empty((0, 3, 3), dtype=np.float32)):
        answers, strongest = example_answers(("a", "b", "c"), LABELS, lost, probed)
        assert strongest is None
        assert [(one.answer, one.probed) for one in answers] == [(0, None), (None, None), (2, None)]
