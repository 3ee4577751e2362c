"""Which positions of a layer's ranking (0 = lowest) a pruned variant selects.

Rule `paper` follows the paper's assumptions: at least one filter a layer, and every filter in at least one variant
when n |S| >= C, for all three sampling methods. Rule `nist` is the arithmetic of NIST's reference implementation to
the letter, with the strongest filters that it never reaches and the layers that it leaves untouched. Pure integer
arithmetic on sizes; randomness comes only from theta's seed and the layer's number, whatever the order of calls.
"""

from __future__ import annotations

import math
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from detector.base.errors import ParametersError
from detector.pruning.theta import SamplingMethod, SelectionRule, Theta

Positions = NDArray[np.int64]
_NOISE = 1e-9  # C p = 3.0000000000000004 means 3


def check_samplable(theta: Theta) -> None:
    """Raise ParametersError for the theta that NIST's formulas divide by zero on: |S| = 1, unless Random."""
    ordered = theta.sampling_method is not SamplingMethod.RANDOM
    if theta.rule is SelectionRule.NIST and ordered and theta.num_pruned_models == 1:
        raise ParametersError(
            "one pruned model, for which NIST's formulas divide by |S| - 1 = 0",
            where="theta",
            expected="|S| >= 2 under the nist rule",
            next_step="raise the number of pruned models or use the paper rule",
        )


def number_of_filters(filters: int, p: float, rule: SelectionRule) -> int:
    """n, how many of a layer's C = `filters` are pruned.

    Paper: ceil(C p), but never all of them, so a layer with one filter is left alone. NIST: int(C p), possibly 0.
    """
    if rule is SelectionRule.NIST:
        return int(filters * p)
    return min(max(math.ceil(filters * p - _NOISE), 1), filters - 1)


def positions(theta: Theta, filters: int, variant: int, layer: int) -> Positions:
    """Positions in the ascending ranking that variant number `variant` of |S| prunes.

    Parameters
    ----------
    theta
        Passed by `check_samplable`.
    filters
        C, the length of the ranking.
    variant
        s, 0 <= s < |S|.
    layer
        Number of the layer within the network; makes Random differ between layers of equal size.

    Returns
    -------
    int64 array without repeats, ascending; empty when the layer is left untouched.
    """
    n = number_of_filters(filters, theta.p, theta.rule)
    if n == 0:
        return np.empty(0, np.int64)
    if theta.rule is SelectionRule.NIST:
        return _nist_positions(theta, filters, n, variant, layer)
    return _paper_positions(theta, filters, n, variant, layer)


def _paper_positions(theta: Theta, filters: int, n: int, variant: int, layer: int) -> Positions:
    models = theta.num_pruned_models
    match theta.sampling_method:
        case SamplingMethod.TARGETED:
            first = round(variant * (filters - n) / (models - 1)) if models > 1 else 0
            return np.arange(first, first + n)
        case SamplingMethod.UNIFORM:
            # floor((i + s / |S|) C / n) in integers: all n |S| positions together form one even grid over C.
            return (np.arange(n) * models + variant) * filters // (n * models)
        case SamplingMethod.RANDOM:
            return _hand(np.random.default_rng((theta.seed, layer)), filters, n, variant)
        case _:
            assert_never(theta.sampling_method)


def _hand(rng: np.random.Generator, filters: int, n: int, variant: int) -> Positions:
    """Hand number `variant` when shuffled decks of all filters are dealt out n at a time.

    Dealing, unlike drawing anew each time, reaches every filter once |S| hands hold a whole deck. Where a hand needs
    the next deck, the filters that it already holds go to the bottom of that deck.
    """
    deck = hand = np.empty(0, np.int64)
    for _ in range(variant + 1):
        hand, deck = deck[:n], deck[n:]
        if missing := n - len(hand):
            fresh = rng.permutation(filters)
            held = np.isin(fresh, hand)
            fresh = np.concatenate([fresh[~held], fresh[held]])
            hand, deck = np.concatenate([hand, fresh[:missing]]), fresh[missing:]
    return np.sort(hand)


def _nist_positions(theta: Theta, filters: int, n: int, variant: int, layer: int) -> Positions:
    match theta.sampling_method:
        case SamplingMethod.TARGETED:
            first = min(variant * (filters // (theta.num_pruned_models - 1)), filters - n)
            return np.arange(first, first + n)
        case SamplingMethod.UNIFORM:
            step = filters / n
            first = round(variant * step / (theta.num_pruned_models - 1))
            return np.arange(first, filters, int(step))
        case SamplingMethod.RANDOM:
            # The reference draws unseeded for every layer and variant; here each draw has its own seed.
            rng = np.random.default_rng((theta.seed, layer, variant))
            return np.sort(rng.choice(filters, n, replace=False))
        case _:
            assert_never(theta.sampling_method)
