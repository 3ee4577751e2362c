"""Points to draw, against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_curve

from detector.report.curves import calibration_bins, roc_points

RNG = np.random.default_rng(2)
LABELS = RNG.permutation(np.arange(40) % 2)
ANSWERS = np.array(np.round(np.clip(RNG.normal(0.3 + 0.4 * LABELS, 0.3), 0, 1), 1), dtype=np.float64)  # many ties


def test_roc() -> None:
    alarms, hits, _ = roc_curve(LABELS, ANSWERS, drop_intermediate=False)
    np.testing.assert_allclose(np.array(roc_points(ANSWERS, LABELS)), np.stack([alarms, hits], axis=1))


def test_calibration() -> None:
    # scikit-learn's bins are open on the left, ours on the right: away from the borders they are the same
    answers = np.clip(ANSWERS + 0.01, 0, 1)
    found = calibration_bins(answers, LABELS)
    share, mean = calibration_curve(LABELS, answers, n_bins=5)
    assert [one.poisoned for one in found] == pytest.approx(share)
    assert [one.answered for one in found] == pytest.approx(mean)
    assert sum(one.num_models for one in found) == len(LABELS)


def test_the_last_bin_holds_one() -> None:
    (only,) = calibration_bins(np.array([1.0, 0.9]), np.array([1, 0]))
    assert (only.answered, only.poisoned, only.num_models) == (0.95, 0.5, 2)
