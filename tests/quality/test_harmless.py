"""What changes nothing at inference is told and passes; everything else still deviates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch

from detector.architectures import ARCHITECTURES
from detector.base.errors import CorruptModelError
from detector.graph.modules import Reference
from detector.graph.trace import meta_network
from detector.model_file.records import ContentKind, ModelRecord
from detector.quality.harmless import Judged, harmless_findings, without_harmless
from detector.quality.structure import identify
from detector.quality.weights import check_number_types
from detector.torchvision_ops import torchvision_models


def _judged(record: ModelRecord, references: Mapping[str, Reference]) -> Judged:
    return without_harmless(record, identify(record, references))


@pytest.mark.parametrize("kind", ContentKind)
@pytest.mark.parametrize(("constructor", "name"), [("googlenet", "googlenet"), ("inception_v3", "inceptionv3")])
def test_auxiliary_heads(
    constructor: str,
    name: str,
    kind: ContentKind,
    references: Mapping[str, Reference],
    record_network: Callable[..., ModelRecord],
) -> None:
    with torch.device("meta"):
        network = getattr(torchvision_models(), constructor)(init_weights=False, num_classes=10)
    record = record_network(network, kind)
    judged = _judged(record, references)
    assert judged.identification.architecture == ARCHITECTURES[name]
    assert judged.idle
    assert [finding.code for finding in harmless_findings(record, judged)] == ["no_effect"]


@pytest.mark.parametrize(("name", "path"), [("vgg13bn", "classifier.2"), ("mobilenetv2", "classifier.0")])
def test_another_dropout(
    name: str, path: str, references: Mapping[str, Reference], record_network: Callable[..., ModelRecord]
) -> None:
    network = meta_network(ARCHITECTURES[name], 10)
    layer: Any = network.get_submodule(path)
    layer.p = 0.9
    assert _judged(record_network(network), references).identification.architecture == ARCHITECTURES[name]


def test_synchronised_batch_normalisation(
    references: Mapping[str, Reference], record_network: Callable[..., ModelRecord]
) -> None:
    convert: Any = torch.nn.SyncBatchNorm.convert_sync_batchnorm
    network = convert(meta_network(ARCHITECTURES["resnet18"], 10))
    record = record_network(network)
    judged = _judged(record, references)
    assert judged.identification.architecture == ARCHITECTURES["resnet18"]
    assert [finding.code for finding in harmless_findings(record, judged)] == ["synchronised"]
    network.get_submodule("bn1").eps = 0.1
    assert _judged(record_network(network), references).identification.architecture is None


def test_what_changes_the_computation_stays_a_deviation(
    references: Mapping[str, Reference], record_network: Callable[..., ModelRecord]
) -> None:
    network: Any = meta_network(ARCHITECTURES["vgg13bn"], 10)
    network.get_submodule("classifier.2").p = 0.9
    network.get_submodule("features.0").stride = (2, 2)
    judged = _judged(record_network(network), references)
    assert judged.identification.architecture is None
    assert [deviation.what for deviation in judged.identification.deviations] == ["stride"]


@pytest.mark.hostile
@pytest.mark.parametrize("name", ["conv1.weight", "bn1.running_var", "fc.bias"])
def test_numbers_of_another_type_are_refused(name: str) -> None:
    tensors = {"conv1.weight": torch.zeros(1), "bn1.running_var": torch.ones(1), "fc.bias": torch.ones(1)}
    arrays = {key: tensor.numpy() for key, tensor in tensors.items()}
    counter = {"bn1.num_batches_tracked": torch.zeros((), dtype=torch.int64).numpy()}
    check_number_types(arrays | counter, "resnet18")
    with pytest.raises(CorruptModelError, match=f"{name} of int64"):
        check_number_types(arrays | {name: arrays[name].astype("int64")}, "resnet18")
