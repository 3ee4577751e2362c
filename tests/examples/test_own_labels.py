"""What stands for labels that nobody has given."""

import numpy as np

from detector.base.findings import Severity
from detector.examples.own_labels import own_labels, own_labels_finding


def test_the_labels_are_the_networks_answers() -> None:
    logits = np.array([[0.1, 3.0, 2.0], [5.0, -1.0, 5.0], [0.0, 0.0, 1e-3]], np.float32)
    assert own_labels(logits).tolist() == [1, 0, 2]
    assert own_labels(logits).dtype == np.int64


def test_the_finding_says_so_and_what_was_not_checked() -> None:
    told = own_labels_finding(np.array([4, 1, 4]), 10)
    assert (told.severity, told.code) == (Severity.WARNING, "labels_are_answers")
    assert told.evidence == {"classes": [1, 4], "num_classes": 10}
    assert "own answers" in told.message and "2 of its 10 classes" in told.message and "not checked" in told.message
