"""Unknown is not tampered: other networks are told as such, changes of known ones are listed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from detector.architectures import ARCHITECTURES
from detector.base.findings import Severity
from detector.graph.modules import Reference
from detector.graph.trace import meta_network
from detector.model_file import read_model
from detector.model_file.records import ContentKind
from detector.quality.check import check_model
from detector.quality.structure import identify, structure_findings
from detector.torchvision_ops import torchvision_models

References = Mapping[str, Reference]
Record = Callable[..., Any]


def _head(*sizes: int) -> nn.Sequential:
    layers = [layer for pair in pairwise(sizes) for layer in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def _with_head(name: str, path: str, *sizes: int) -> nn.Module:
    network = meta_network(ARCHITECTURES[name], 10)
    with torch.device("meta"):
        network.set_submodule(path, _head(*sizes))
    return network


def _foreign(constructor: str) -> nn.Module:
    with torch.device("cpu" if constructor.startswith("regnet") else "meta"):
        network: nn.Module = getattr(torchvision_models(), constructor)(num_classes=10)
    return network.eval()


_FOREIGN = (
    *("alexnet", "vgg11", "vgg13", "vgg16", "vgg19", "efficientnet_b0", "mnasnet1_0", "mobilenet_v3_small"),
    *("mobilenet_v3_large", "regnet_y_400mf", "regnet_x_400mf", "convnext_tiny", "swin_t", "vit_b_32"),
    *("shufflenet_v2_x0_5", "resnext101_32x8d"),
)
_HEADS = {
    "resnet18": ("fc", (512, 128, 10)),
    "resnet50": ("fc", (2048, 256, 64, 10)),
    "resnext50_32x4d": ("fc", (2048, 64, 10)),
    "densenet121": ("classifier", (1024, 32, 10)),
    "googlenet": ("fc", (1024, 99, 10)),
    "vgg11bn": ("classifier", (25088, 128, 10)),
    "mobilenetv2": ("classifier", (1280, 64, 10)),
    "squeezenetv1_1": ("classifier", (512, 10)),
}


@pytest.mark.parametrize("kind", ContentKind)
@pytest.mark.parametrize("constructor", _FOREIGN)
def test_other_networks_are_of_an_unknown_architecture(
    constructor: str, kind: ContentKind, references: References, record_network: Record
) -> None:
    record = record_network(_foreign(constructor), kind)
    found = identify(record, references)
    assert (found.architecture, found.tampered) == (None, False)
    (finding,) = structure_findings(record, found)
    assert (finding.severity, finding.code) == (Severity.WARNING, "unknown_architecture")
    assert finding.evidence["nearest"] == found.nearest
    assert finding.evidence["distance"] == found.distance > 0.5
    assert (found.nearest or "not one of its layers") in finding.message


@pytest.mark.parametrize("kind", ContentKind)
@pytest.mark.parametrize("name", _HEADS)
def test_another_head_makes_another_architecture(
    name: str, kind: ContentKind, references: References, record_network: Record
) -> None:
    record = record_network(_with_head(name, _HEADS[name][0], *_HEADS[name][1]), kind)
    found = identify(record, references)
    assert (found.architecture, found.nearest, found.tampered) == (None, name, False)
    (finding,) = structure_findings(record, found)
    assert finding.code == "unknown_architecture"
    assert f"nearest is {name}, from which {found.distance:.0%} of the layers differ, all of them in the head" in (
        finding.message
    )
    assert any(f"{_HEADS[name][0]}" in str(deviation) for deviation in found.deviations)


def test_another_head_hides_no_change_elsewhere(references: References, record_network: Record) -> None:
    network = _with_head("resnet18", "fc", 512, 128, 10)
    network.get_submodule("conv1").stride = (1, 1)  # type: ignore[assignment]
    found = identify(record_network(network), references)
    assert found.tampered
    assert "conv1: stride (2, 2) expected, (1, 1) found" in map(str, found.deviations)


def _set(path: str, **attributes: Any) -> Callable[[nn.Module], None]:
    return lambda network: vars(network.get_submodule(path)).update(attributes)


def _put(path: str, make: Callable[[], nn.Module]) -> Callable[[nn.Module], None]:
    return lambda network: network.set_submodule(path, make())


_CHANGES: Mapping[str, Callable[[nn.Module], None]] = {
    "an extra layer": lambda network: network.get_submodule("layer2").add_module("4", nn.Conv2d(512, 512, 1)),
    "an extra layer at the end": lambda network: network.add_module("extra", nn.Linear(10, 10)),
    "a changed stride": _set("layer3.0.conv2", stride=(1, 1)),
    "a changed padding": _set("conv1", padding=(2, 2)),
    "another activation": _put("layer1.0.relu", nn.Tanh),
    "another pooling": _put("maxpool", lambda: nn.AvgPool2d(3, 2, 1)),
    "a replaced block": _put("layer1.1", lambda: torchvision_models().resnet.BasicBlock(256, 256)),
    "a wider block": _put("layer4.2", lambda: torchvision_models().resnet.Bottleneck(2048, 512, base_width=128)),
    "a block less": _put("layer2.3", nn.Identity),
    "another normalisation": _put("bn1", lambda: nn.GroupNorm(8, 64)),
    "a dropout in front of the head": _put("avgpool", lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Dropout())),
}


@pytest.mark.parametrize("change", _CHANGES)
def test_a_changed_resnet50_is_tampered_with(change: str, references: References, record_network: Record) -> None:
    network = meta_network(ARCHITECTURES["resnet50"], 10)
    with torch.device("meta"):
        _CHANGES[change](network)
    record = record_network(network)
    found = identify(record, references)
    assert (found.architecture, found.nearest, found.tampered) == (None, "resnet50", True)
    (finding,) = structure_findings(record, found)
    assert (finding.severity, finding.code) == (Severity.TAMPERED, "graph_deviates")
    listed = finding.evidence["deviations"]
    assert isinstance(listed, list)
    assert len(listed) == min(len(found.deviations), 20)


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.attn, self.norm2 = nn.LayerNorm(width), _Attention(width), nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))


class _Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.num_heads, self.scale = 4, 0.5
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)


class _PatchEmbed(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.img_size, self.patch_size, self.norm = (256, 256), (32, 32), nn.Identity()
        self.proj = nn.Conv2d(3, width, 32, 32)


class _VisionTransformer(nn.Module):
    """Named and built as `vit_base_patch32_224` of Round 11, but narrow."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 65, width))
        self.patch_embed, self.pos_drop = _PatchEmbed(width), nn.Dropout(0.0)
        self.blocks = nn.Sequential(*(_Block(width) for _ in range(12)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 66)


@pytest.fixture
def timm(monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """A transformer whose classes have the names of timm's, while it is saved."""
    homes = {
        "timm.models.vision_transformer": (_VisionTransformer, _Block, _Attention),
        "timm.models.layers.patch_embed": (_PatchEmbed,),
    }
    for home, classes in homes.items():
        module = ModuleType(home)
        for made in classes:
            made.__name__ = made.__qualname__ = made.__name__.removeprefix("_")
            made.__module__ = home
            setattr(module, made.__name__, made)
        for number in range(1, home.count(".") + 1):
            parent = home.rsplit(".", number)[0]
            monkeypatch.setitem(sys.modules, parent, sys.modules.get(parent, ModuleType(parent)))
        monkeypatch.setitem(sys.modules, home, module)
    return _VisionTransformer()


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("whole", [True, False])
def test_vision_transformers_of_round_11_are_unknown(
    whole: bool, zipped: bool, timm: nn.Module, references: References, tmp_path: Path
) -> None:
    path = tmp_path / "model.pt"
    torch.save(timm if whole else timm.state_dict(), path, _use_new_zipfile_serialization=zipped)
    report = check_model(read_model(path), references)
    assert not report.tampered
    found = "timm.models.vision_transformer.VisionTransformer" if whole else "the state dict"
    assert report.findings[0].code == "unknown_architecture"
    assert report.findings[0].message.startswith(f"{found} is of an architecture that is not known")
