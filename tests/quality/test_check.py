"""The whole check on real files: saved by torch, read by our parser, clean and tampered."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from detector.architectures import ARCHITECTURES, build
from detector.base.findings import Severity
from detector.graph.modules import Reference
from detector.model_file import read_model
from detector.quality.check import QualityReport, check_model

_OLD_FILES = Path(__file__).parents[3] / "shared" / "old-torch"


def _check(network: nn.Module, path: Path, references: Mapping[str, Reference], **options: Any) -> QualityReport:
    torch.save(network.eval(), path, **options)
    return check_model(read_model(path), references)


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ["squeezenetv1_1", "shufflenet1_0", "mobilenetv2", "densenet121", "googlenet"])
def test_clean_files_give_information_only(
    name: str, zipped: bool, tmp_path: Path, references: Mapping[str, Reference]
) -> None:
    torch.manual_seed(0)
    network = build(ARCHITECTURES[name], 7)
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and name == "googlenet":
            nn.init.normal_(module.weight)
    report = _check(network, tmp_path / "model.pt", references, _use_new_zipfile_serialization=zipped)
    assert (report.identification.architecture, report.identification.num_classes) == (ARCHITECTURES[name], 7)
    assert [(finding.severity, finding.code) for finding in report.findings] == [
        (Severity.INFO, "architecture"),
        (Severity.INFO, "file_size"),
    ]
    assert not report.tampered


def test_tampered_file_is_reported_and_its_weights_still_checked(
    tmp_path: Path, references: Mapping[str, Reference]
) -> None:
    network: Any = build(ARCHITECTURES["squeezenetv1_1"], 5)
    network.features[1] = nn.LeakyReLU()
    with torch.no_grad():
        network.classifier[1].bias[0] = np.nan
    report = _check(network, tmp_path / "model.pt", references)
    assert report.tampered
    assert [finding.code for finding in report.findings] == ["graph_deviates", "non_finite_weights"]
    assert "features.1: module torch.nn.ReLU expected, torch.nn.LeakyReLU found" in report.findings[0].message


def test_unknown_network_is_reported(tmp_path: Path, references: Mapping[str, Reference]) -> None:
    from detector.torchvision_ops import torchvision_models

    report = _check(torchvision_models().mobilenet_v3_small(num_classes=5), tmp_path / "model.pt", references)
    assert not report.tampered
    assert report.findings[0].code == "unknown_architecture"
    assert {finding.severity for finding in report.findings} == {Severity.WARNING}


@pytest.mark.skipif(not _OLD_FILES.is_dir(), reason="files of torchvision 0.8 are not at hand")
@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("densenet121-legacy", "densenet121"),
        ("googlenet-legacy", "googlenet"),
        ("mobilenet_v2-legacy", "mobilenetv2"),
        ("mobilenet_v2-zip", "mobilenetv2"),
        ("shufflenet_v2_x1_0-legacy", "shufflenet1_0"),
        ("shufflenet_v2_x1_0-zip", "shufflenet1_0"),
        ("squeezenet1_1-legacy", "squeezenetv1_1"),
        ("squeezenet1_1-zip", "squeezenetv1_1"),
    ],
)
def test_files_of_round_4_are_clean(file: Path, name: str, references: Mapping[str, Reference]) -> None:
    report = check_model(read_model(_OLD_FILES / f"{file}.pt"), references)
    assert (report.identification.architecture, report.identification.num_classes) == (ARCHITECTURES[name], 5)
    assert {finding.severity for finding in report.findings} == {Severity.INFO}


def test_quality_assurance_needs_no_torch() -> None:
    code = "import sys, detector.quality.check, detector.quality.accuracy; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True)
