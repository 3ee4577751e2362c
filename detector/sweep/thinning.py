"""Fewer variants of a theta without measuring again: which of the |S| variants are those of a smaller |S|.

Random deals shuffled decks hand by hand, so the first k hands are the k variants of |S| = k. Targeted shifts its window
in |S| - 1 equal steps: where k - 1 divides |S| - 1, every such variant is among them. Uniform cuts its grid into |S|
equal steps: there k must divide |S|. For other numbers there is no subset. The letter of NIST's code rounds each step,
so that only Random has subsets there. Knows theta alone; nothing is read or computed.
"""

from __future__ import annotations

from dataclasses import replace

from detector.pruning.theta import SamplingMethod, SelectionRule, Theta


def thinned(theta: Theta, num_pruned_models: int) -> range | None:
    """Indices of those variants of `theta` that are exactly those of the same theta with |S| = `num_pruned_models`.

    None where there is no such subset, and so where more variants are asked for than `theta` has.
    """
    have, want = theta.num_pruned_models, num_pruned_models
    if want == have or (theta.sampling_method is SamplingMethod.RANDOM and want < have):
        return range(want)
    if theta.rule is SelectionRule.NIST or want > have or want < 2:
        return None
    if theta.sampling_method is SamplingMethod.UNIFORM:
        return range(0, have, have // want) if have % want == 0 else None
    return range(0, have, (have - 1) // (want - 1)) if (have - 1) % (want - 1) == 0 else None


def doubled(theta: Theta) -> Theta:
    """The same theta with twice as many variants, its own among them: 2 |S|, for Targeted 2 |S| - 1."""
    targeted = theta.sampling_method is SamplingMethod.TARGETED
    return replace(theta, num_pruned_models=2 * theta.num_pruned_models - (1 if targeted else 0))
