"""Run as a script: how far the nist rule is from NIST's logits, for the cases of a JSON file, one list a case.

A process of its own, because numpy chooses its sort for the CPU when it is imported, and the order of equal keys with
it: see `test_nist_reference.py`.
"""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from detector.architectures import ARCHITECTURES, build
from detector.graph.reference import reference_graph
from detector.pruning import PruningMethod, RankingMethod, RowPatch, SamplingMethod, SelectionRule, Theta, make_variants

_NAMES = {row.constructor: row.name for row in ARCHITECTURES.values()}
_RANKINGS = {"L1": RankingMethod.L1, "Linf": RankingMethod.LINF, "STDEV": RankingMethod.STDEV}


@functools.lru_cache(maxsize=1)
def network_and_image(name: str, seed: int) -> tuple[nn.Module, np.ndarray]:
    """In exactly the order in which the reference logits were made."""
    torch.manual_seed(seed)
    options = {"init_weights": True} if name == "googlenet" else {}
    network = build(ARCHITECTURES[name], 10, **options).eval()
    rng = np.random.default_rng(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            size = module.num_features
            assert module.running_mean is not None and module.running_var is not None
            for tensor, values in (
                (module.weight, rng.uniform(0.5, 1.5, size)),
                (module.bias, rng.normal(0, 0.1, size)),
                (module.running_mean, rng.normal(0, 0.1, size)),
                (module.running_var, rng.uniform(0.5, 1.5, size)),
            ):
                tensor.data.copy_(torch.from_numpy(values.astype(np.float32)))
    return network, rng.random((2, 3, 96, 96)).astype(np.float32)


@torch.inference_mode()
def logits(
    network: nn.Module, image: np.ndarray, original: dict[str, torch.Tensor], patches: tuple[RowPatch, ...]
) -> np.ndarray:
    network.load_state_dict(original)
    state = network.state_dict()
    for patch in patches:
        values = 0.0 if patch.values is None else torch.from_numpy(patch.values)
        state[patch.parameter][torch.from_numpy(patch.rows)] = values
    answer: np.ndarray = network(torch.from_numpy(image)).numpy()
    network.load_state_dict(original)
    return answer


def differences(case: dict[str, Any]) -> list[float]:
    """Largest differences of the unpruned logits and of those of each variant."""
    name = _NAMES[case["architecture"]]
    network, image = network_and_image(name, case["seed"])
    theta = Theta(
        PruningMethod(case["pruning_method"].capitalize()),
        SamplingMethod(case["sampling_method"].capitalize()),
        _RANKINGS[case["ranking_method"]],
        case["p"],
        case["num_samples"],
        10,
        case["trim_k"] or 0.5,
        SelectionRule.NIST,
    )
    original = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    weights = {key: tensor.numpy() for key, tensor in original.items()}
    patches = [(), *(variant.patches for variant in make_variants(weights, reference_graph(name), theta))]
    computed = [logits(network, image, original, some) for some in patches]
    expected = np.array([case["unpruned_logits"], *case["pruned_logits"]])
    return [float(value) for value in np.abs(np.array(computed) - expected).max((1, 2))]


if __name__ == "__main__":
    cases = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["cases"]
    json.dump([differences(case) for case in cases], sys.stdout)
