"""Standardisation within architectures: of what hardly varies, and of an architecture that no model is fitted of."""

from __future__ import annotations

import numpy as np

from detector.learning.regression.scale import Scale

RNG = np.random.default_rng(5)
ONE = np.zeros(24, dtype=np.int64)


def test_what_hardly_varies_is_not_blown_up() -> None:
    """Not beyond a deviation of 0.02: a fifth of that stays a fifth."""
    inputs = np.stack([RNG.normal(size=24) * deviation for deviation in (0.3, 0.004)], axis=-1)
    scaled = Scale.of(inputs, ONE, 1)(inputs, ONE)
    np.testing.assert_allclose(scaled.std(axis=0), [1, inputs[:, 1].std() / 0.02])


def test_an_architecture_that_was_left_out_is_scaled_as_all_the_others_together() -> None:
    inputs, architecture = RNG.normal(size=(24, 2)) * 7 + 3, np.arange(24) % 2
    scale = Scale.of(inputs, architecture, 3)
    np.testing.assert_allclose(scale.means[2], inputs.mean(axis=0))
    np.testing.assert_allclose(scale.deviations[2], inputs.std(axis=0))
    with np.errstate(all="raise"):
        scaled = scale(inputs, np.full(24, 2))
    np.testing.assert_allclose((scaled.mean(axis=0), scaled.std(axis=0)), ([0, 0], [1, 1]), atol=1e-12)
