"""The table of the known architectures: from the file, in both formats, through every check and every pruning method.

What torchvision answers for the network that was saved is the oracle: for the parsed and rebuilt network, for the
packed engine, and, with the patches written into its parameters, for every pruned variant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import torch

from detector.architectures import ARCHITECTURES, build
from detector.base.findings import Severity
from detector.graph.reference import load_references, reference_graph
from detector.measurement.engine import PackedEngine
from detector.model_file import FileFormat, ModelRecord, read_model
from detector.pruning.method import find_method
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, SelectionRule, Theta
from detector.pruning.variants import make_variants
from detector.quality.check import check_model
from laboratory.rebuild import rebuild

Oracle = Callable[..., np.ndarray]

CLASSES = 10
IMAGE = np.random.default_rng(1).random((1, 3, 96, 96), dtype=np.float32)
NOISE = torch.rand(1_000_003, generator=torch.Generator().manual_seed(2)) * 2 - 1
Choice = TypeVar("Choice", bound=StrEnum)


def cheap_network(name: str) -> torch.nn.Module:
    """An unlikely but well scaled network: one block of noise over and over, for torch takes a minute to fill a VGG."""
    with torch.device("meta"):
        network = build(ARCHITECTURES[name], CLASSES)
    network = network.to_empty(device="cpu").eval().requires_grad_(False)
    for parameter, tensor in network.state_dict().items():
        if tensor.ndim > 1:
            fill(tensor, scale=(6 / tensor[0].numel()) ** 0.5)
        elif parameter.endswith(("bias", "running_mean")):
            fill(tensor, scale=0.1)
        elif tensor.ndim == 1:  # scales and variances
            fill(tensor, scale=0.5).add_(1)
        else:
            tensor.zero_()
    return network


def fill(tensor: torch.Tensor, scale: float) -> torch.Tensor:
    numbers, noise = tensor.view(-1), NOISE * scale
    whole = len(numbers) - len(numbers) % len(noise)
    numbers[:whole].view(-1, len(noise)).copy_(noise)
    numbers[whole:] = noise[: len(numbers) - whole]
    return tensor


def saved_and_read(network: torch.nn.Module, path: Path, *, legacy: bool) -> ModelRecord:
    torch.save(network, path, _use_new_zipfile_serialization=not legacy)
    record = read_model(path)
    path.unlink()  # 560 MB for a VGG
    return record


def check(record: ModelRecord, name: str, file_format: FileFormat) -> None:
    quality = check_model(record, load_references())
    identification = quality.identification
    assert record.format is file_format
    assert identification.architecture is ARCHITECTURES[name]
    assert identification.num_classes == CLASSES
    assert identification.deviations == ()
    assert {finding.severity for finding in quality.findings} == {Severity.INFO}, quality.findings


def close(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape == (1, CLASSES)
    assert np.isfinite(expected).all()
    assert np.abs(found - expected).max() <= 1e-3 * max(1.0, float(np.abs(expected).max()))
    assert found.argmax() == expected.argmax()


def thetas(name: str) -> Iterator[Theta]:
    """One for each pruning method; over the table, each of them meets every sampling and ranking method and rule."""
    row = list(ARCHITECTURES).index(name)
    for shift, method in enumerate(PruningMethod):
        if find_method(method).refusal(reference_graph(name)) is not None:
            continue
        sampling, ranking = _in_turn(SamplingMethod, row + shift), _in_turn(RankingMethod, row + shift)
        rule = _in_turn(SelectionRule, row + shift)
        yield Theta(method, sampling, ranking, p=0.1, num_pruned_models=3, num_images=1, rule=rule, seed=3)


def _in_turn(choices: type[Choice], number: int) -> Choice:
    return list(choices)[number % len(choices)]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_from_the_file_to_the_logits_of_every_pruning_method(name: str, tmp_path: Path, eager_logits: Oracle) -> None:
    network = cheap_network(name)
    expected = eager_logits(network, IMAGE)
    check(saved_and_read(network, tmp_path / "model.pt", legacy=True), name, FileFormat.LEGACY)
    record = saved_and_read(network, tmp_path / "model.pt", legacy=False)
    del network
    check(record, name, FileFormat.ZIP)

    rebuilt = rebuild(record, ARCHITECTURES[name], CLASSES)
    np.testing.assert_array_equal(eager_logits(rebuilt, IMAGE), expected)
    engine = PackedEngine(reference_graph(name), record.tensors)
    close(engine.logits(IMAGE), expected)
    indices = []
    for theta in thetas(name):
        for variant in make_variants(record.tensors, reference_graph(name), theta):
            indices.append(variant.index)
            pruned = eager_logits(rebuilt, IMAGE, variant.patches)
            assert (pruned != expected).any()
            close(engine.logits(IMAGE, variant.patches), pruned)
    assert indices == [0, 1, 2] * len(list(thetas(name)))
    assert len(list(thetas(name))) == len(PruningMethod) - (name == "resnext50_32x4d")  # Remove cannot do it
