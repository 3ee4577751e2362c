"""From theta to the |S| pruned variants of a network, as data.

The one door to this package: rank, sample, and say which rows of which parameters become what. Neither torch nor a
network is needed, and no weight is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from functools import partial

import numpy as np

from detector.graph.ir import Graph, Node, Op
from detector.pruning.layers import normalisations, prunable_layers
from detector.pruning.method import Network, NetworkMethod, Patches, find_method
from detector.pruning.ranking import filter_keys, ranking, scale_keys
from detector.pruning.sampling import check_samplable, positions
from detector.pruning.theta import RankingMethod, SelectionRule, Theta
from detector.pruning.variant import RowPatch, Rows, Variant, Weights

Rewriter = Callable[[Node, Rows], Patches]
Rankings = MutableMapping[tuple[str, RankingMethod, SelectionRule], Rows]  # by module


def make_variants(
    weights: Mapping[str, Weights], graph: Graph, theta: Theta, rankings: Rankings | None = None
) -> Iterator[Variant]:
    """The pruned variants 0 ... |S| - 1 of a network (arXiv 2101.12016, Section 3), described one at a time.

    Parameters
    ----------
    weights
        The network's parameters under their state-dict names: finite float32, a convolution's of shape (C, inputs,
        height, width), a batch normalisation's of shape (C,). They are read again for each variant: whoever patches
        them in place puts them back before asking for the next one.
    graph
        The network's reference graph.
    theta
        What to prune. `num_images` plays no part.
    rankings
        Rankings of the same weights that are known from other thetas; what is ranked here is added.

    Raises
    ------
    UnsupportedNetworkError
        If the method cannot do this network: Remove cannot shrink grouped convolutions.
    ParametersError
        If `theta` has one pruned model where NIST's formulas need two.
    """
    check_samplable(theta)
    method = find_method(theta.pruning_method)
    method.check(graph)
    layers = prunable_layers(graph, theta)
    network = Network(weights, graph, normalisations(graph))
    if isinstance(method, NetworkMethod):
        return method.variants(layers, network, theta)
    known = {} if rankings is None else rankings
    ranked = [_rank(layer, weights[f"{layer.module}.weight"], theta, known) for layer in layers]
    rewrite = partial(method.patches, network=network, theta=theta)
    return (Variant(s, _rewritten(layers, ranked, rewrite, theta, s)) for s in range(theta.num_pruned_models))


def _rank(layer: Node, weight: Weights, theta: Theta, known: Rankings) -> Rows:
    key = layer.module, theta.ranking_method, theta.rule
    if key not in known:
        norm = layer.op is Op.BATCH_NORM
        keys = scale_keys(weight, theta.rule) if norm else filter_keys(weight, theta.ranking_method, theta.rule)
        known[key] = ranking(keys, theta.rule)
    return known[key]


def _rewritten(
    layers: Sequence[Node], rankings: Sequence[Rows], rewrite: Rewriter, theta: Theta, variant: int
) -> Patches:
    patches: list[RowPatch] = []
    for layer, ranked in zip(layers, rankings, strict=True):
        rows = np.sort(ranked[positions(theta, len(ranked), variant, layer.order)])
        if len(rows):
            patches += rewrite(layer, rows)
    return tuple(patches)
