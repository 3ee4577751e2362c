"""The key by which the filters of a layer are ranked, and the ranking itself.

A convolution's filter is ranked by a norm of its weights; a batch normalisation's channel by its scale gamma whatever
the ranking method, since it is one number a channel and every norm of it is |gamma|. Rule `nist` keeps what NIST's
code computes instead: signed maximum for Linf, signed gamma, 32-bit sums, an unstable sort. Weights are numbers only;
NaN ranks highest.
"""

from __future__ import annotations

from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from detector.pruning.theta import RankingMethod, SelectionRule
from detector.pruning.variant import Rows, Weights

Keys = NDArray[np.float32] | NDArray[np.float64]
Mask = NDArray[np.bool_]

_FILTER = (1, 2, 3)  # axes of a convolution's weight within one filter
_KERNEL = (2, 3)


def ranking(keys: Keys, rule: SelectionRule) -> Rows:
    """Indices that sort `keys` (C,) ascending, the keys rounded to 32 bits.

    Finer differences are noise of the order of summation, which changes with threads and CPU. Equal keys keep the
    order of the channels. Under rule `nist` their order is numpy's: NIST's code sorts unstably, so that its results
    on ties depend on numpy's version and on the CPU (AVX2 and AVX-512 differ).
    """
    with np.errstate(over="ignore"):
        rounded = keys.astype(np.float32)
    return np.argsort(rounded, kind="stable" if rule is SelectionRule.PAPER else "quicksort")


def scale_keys(gamma: Weights, rule: SelectionRule) -> Keys:
    """Keys (C,) of a batch normalisation's channels: |gamma|, under rule `nist` gamma."""
    keys: Keys = gamma if rule is SelectionRule.NIST else np.abs(gamma)
    return keys


def filter_keys(weight: Weights, method: RankingMethod, rule: SelectionRule) -> Keys:
    """Keys (C,) of the filters of a convolution's weight (C, inputs, height, width)."""
    if rule is SelectionRule.NIST:
        return _nist_keys(weight, method)
    keys: Keys = surviving_keys(weight, np.ones((1, weight.shape[1]), np.bool_), method, rule)[0]
    return keys


def surviving_keys(weight: Weights, living: Mask, method: RankingMethod, rule: SelectionRule) -> Keys:
    """Norms of filters of which only some input channels are left, for many variants at once.

    Parameters
    ----------
    weight
        A convolution's weight (C, inputs, height, width).
    living
        (variants, inputs): which input channels each variant still has, at least one.
    method
        L1 = sum |w|, L2 = sqrt(sum w^2), Linf = max |w|, stdev = standard deviation of the filter's weights.
    rule
        Under `nist` Linf is max w.

    Returns
    -------
    (variants, C). Kernels are reduced once for all variants, each of which then costs one product with (C, inputs).
    """
    keys: Keys
    match method:
        case RankingMethod.L1:
            keys = living @ np.abs(weight).sum(_KERNEL, dtype=np.float64).T
        case RankingMethod.L2:
            keys = np.sqrt(living @ _squares(weight).T)
        case RankingMethod.LINF:
            sizes = weight if rule is SelectionRule.NIST else np.abs(weight)
            peaks = np.ascontiguousarray(sizes.max(_KERNEL).T)
            keys = np.stack([peaks[inputs].max(0) for inputs in living])
        case RankingMethod.STDEV:
            count = living.sum(1, keepdims=True) * weight.shape[2] * weight.shape[3]
            mean = living @ weight.sum(_KERNEL, dtype=np.float64).T / count
            keys = np.sqrt(np.maximum(living @ _squares(weight).T / count - mean**2, 0))
        case _:
            assert_never(method)
    return keys


def _squares(weight: Weights) -> NDArray[np.float64]:
    squares: NDArray[np.float64] = np.einsum("oihw,oihw->oi", weight, weight, dtype=np.float64)
    return squares


def _nist_keys(weight: Weights, method: RankingMethod) -> Keys:
    keys: Keys
    match method:
        case RankingMethod.L1:
            keys = np.abs(weight).sum(_FILTER)
        case RankingMethod.L2:
            keys = (weight**2).sum(_FILTER)
        case RankingMethod.LINF:
            keys = weight.max(_FILTER)
        case RankingMethod.STDEV:
            keys = weight.std(_FILTER)
        case _:
            assert_never(method)
    return keys
