"""File sizes: files that torch really writes are accounted for, extra and missing bytes are not."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from typing import Any

import pytest
import torch

from detector.architectures import ARCHITECTURES, TROJAI_ARCHITECTURES
from detector.base.findings import Severity
from detector.graph.reference import reference_file_sizes
from detector.graph.trace import meta_network
from detector.model_file.records import ContentKind, FileFormat, ModelRecord
from detector.quality.size import file_size_finding

_SMALL = ("squeezenetv1_0", "squeezenetv1_1", "shufflenet1_0", "mobilenetv2", "googlenet", "densenet121", "resnet18")


def _saved_bytes(network: torch.nn.Module, file_format: FileFormat, kind: ContentKind) -> int:
    file = io.BytesIO()
    content = network if kind is ContentKind.MODULE else network.state_dict()
    torch.save(content, file, _use_new_zipfile_serialization=file_format is FileFormat.ZIP)
    return file.tell()


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
@pytest.mark.parametrize("kind", ContentKind)
@pytest.mark.parametrize("file_format", [FileFormat.ZIP, FileFormat.LEGACY])
@pytest.mark.parametrize("name", _SMALL)
def test_files_of_torch_have_the_computed_size(
    name: str, file_format: FileFormat, kind: ContentKind, record_network: Callable[..., ModelRecord]
) -> None:
    network = meta_network(ARCHITECTURES[name], 15).to_empty(device="cpu")
    record = dataclasses.replace(
        record_network(network, kind), format=file_format, file_bytes=_saved_bytes(network, file_format, kind)
    )
    finding = file_size_finding(record, ARCHITECTURES[name], 15, *reference_file_sizes())
    assert (finding.severity, finding.code) == (Severity.INFO, "file_size")
    expected: Any = finding.evidence["expected_bytes"]
    least, most = expected
    assert most - least < 0.06 * record.file_bytes
    for extra, words in (
        (most - record.file_bytes + 1, "1 bytes more"),
        (least - record.file_bytes - 1, "1 bytes shorter"),
    ):
        other = dataclasses.replace(record, file_bytes=record.file_bytes + extra)
        finding = file_size_finding(other, ARCHITECTURES[name], 15, *reference_file_sizes())
        assert finding.severity is Severity.WARNING
        assert words in finding.message


@pytest.mark.parametrize(
    ("name", "round_name", "num_classes"),
    [(name, "1", range(5, 6)) for name in ("resnet50", "inceptionv3", "densenet121")]
    + [(name, "2", range(5, 26)) for name in TROJAI_ARCHITECTURES if name not in ("vgg11bn", "vgg13bn")],
)
def test_nists_mean_sizes_fit_the_computed_ones(name: str, round_name: str, num_classes: range) -> None:
    """The mean over files of a round lies between the least size of the fewest classes and the most of the most.

    Round 1 was saved in the legacy format; later rounds may be either. NIST's tables mix VGG-11 and VGG-13.
    """
    sizes, overheads = reference_file_sizes()
    size = sizes[name]
    formats = ["legacy module"] if round_name == "1" else ["legacy module", "zip module"]
    bounds = [overheads[key].bounds(size.tensors + size.modules) for key in formats]
    least = size.tensor_bytes(num_classes[0]) + min(low for low, _ in bounds)
    most = size.tensor_bytes(num_classes[-1]) + max(high for _, high in bounds)
    assert least <= size.nist_centroids[round_name] * 1e6 <= most
