"""What Reset and Trim write, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np

from detector.graph.ir import Node, Op
from detector.pruning.methods.reset import reset
from detector.pruning.methods.trim import trim

CONV = Node("conv", Op.CONV, ("image",), (3, 8, 8), module="block.0", order=1)
NORM = Node("norm", Op.BATCH_NORM, ("conv",), (4, 8, 8), module="block.1", order=2)
ROWS = np.array([0, 2])


def test_reset_keeps_the_bias_of_a_convolution_and_clears_that_of_a_batch_normalisation() -> None:
    assert [(patch.parameter, patch.rows.tolist(), patch.values) for patch in reset(CONV, ROWS)] == [
        ("block.0.weight", [0, 2], None)
    ]
    assert [(patch.parameter, patch.rows.tolist(), patch.values) for patch in reset(NORM, ROWS)] == [
        ("block.1.weight", [0, 2], None),
        ("block.1.bias", [0, 2], None),
    ]


def test_trim_clamps_each_filter_to_its_own_interval() -> None:
    weight = np.array([[[[0, 0], [0, 4]]], [[[9, 9], [9, 9]]], [[[-1, 1], [3, 1]]]], np.float32)
    (patch,) = trim(CONV, ROWS, {"block.0.weight": weight}, 0.5)
    low, high = 1 - 0.5 * 3**0.5, 1 + 0.5 * 3**0.5  # mean 1, population deviation sqrt(3)
    near, far = 1 - 0.5 * 2**0.5, 1 + 0.5 * 2**0.5  # mean 1, sqrt(2)
    expected = np.array([[[[low, low], [low, high]]], [[[near, 1], [far, 1]]]])
    assert patch.values is not None
    assert (patch.parameter, patch.rows.tolist()) == ("block.0.weight", [0, 2])
    assert patch.values.dtype == np.float32
    np.testing.assert_allclose(patch.values, expected, rtol=1e-6)


def test_trim_clamps_scales_to_the_interval_of_the_whole_layer() -> None:
    gamma = np.array([0, 2, 4, 2], np.float32)  # mean 2, population deviation sqrt(2)
    (patch,) = trim(NORM, ROWS, {"block.1.weight": gamma, "block.1.bias": gamma}, 0.5)
    assert patch.parameter == "block.1.weight"
    assert patch.values is not None
    np.testing.assert_allclose(patch.values, [2 - 0.5**0.5, 2 + 0.5**0.5], rtol=1e-6)


def test_trim_leaves_the_given_weights_alone() -> None:
    weight = np.arange(12, dtype=np.float32).reshape(3, 1, 2, 2)
    before = weight.copy()
    trim(CONV, ROWS, {"block.0.weight": weight}, 0.1)
    np.testing.assert_array_equal(weight, before)
