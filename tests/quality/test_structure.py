"""Identification by structure: clean networks of every version are recognised, every tampering is named."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import nn

from detector.architectures import ARCHITECTURES
from detector.base.findings import Severity
from detector.graph.modules import Reference
from detector.graph.trace import meta_network
from detector.model_file.records import ContentKind, ModelRecord, ModuleRecord
from detector.quality.structure import Deviation, identify, structure_findings
from detector.torchvision_ops import torchvision_models

ModuleChange = Callable[[ModuleRecord], ModuleRecord | None]
Tampering = Callable[[Any], object]


def _network(name: str, num_classes: int = 10) -> Any:
    return meta_network(ARCHITECTURES[name], num_classes)


def _modules(record: ModelRecord, change: ModuleChange) -> ModelRecord:
    """The record with `change` applied to each module record; None drops the module."""
    changed = (change(module) for module in record.modules)
    return dataclasses.replace(record, modules=tuple(module for module in changed if module is not None))


@pytest.mark.parametrize("num_classes", [5, 24])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_clean_networks_are_identified(
    name: str, num_classes: int, references: Mapping[str, Reference], record_network: Callable[..., ModelRecord]
) -> None:
    network = _network(name, num_classes)
    for kind in ContentKind:
        found = identify(record_network(network, kind), references)
        assert found.deviations == ()
        assert (found.architecture, found.num_classes, found.nearest) == (ARCHITECTURES[name], num_classes, name)


def _renamed(home: str, conv_block: str) -> ModuleChange:
    """As torchvision named the classes of MobileNetV2 when they lived in `home`."""

    def rename(module: ModuleRecord) -> ModuleRecord:
        if module.class_name == "Conv2dNormActivation":
            class_module, _, class_name = conv_block.rpartition(".")
            return dataclasses.replace(module, class_module=class_module, class_name=class_name)
        if module.class_module == "torchvision.models.mobilenetv2":
            return dataclasses.replace(module, class_module=home)
        return module

    return rename


def _no_functional_modules(module: ModuleRecord) -> ModuleRecord | None:
    in_inception = module.path in ("maxpool1", "maxpool2", "avgpool", "dropout")
    is_empty_branch = module.path.endswith("branch1") and module.path.split(".")[1] != "0"
    return None if in_inception or is_empty_branch else module


def _old_attributes(module: ModuleRecord) -> ModuleRecord:
    later = ("padding_mode", "divisor_override", "_reversed_padding_repeated_twice", "output_padding")
    return dataclasses.replace(module, attributes={k: v for k, v in module.attributes.items() if k not in later})


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("mobilenetv2", _renamed("torchvision.models.mobilenet", "torchvision.models.mobilenet.ConvBNReLU")),
        ("mobilenetv2", _renamed("torchvision.models.mobilenetv2", "torchvision.models.mobilenetv2.ConvBNActivation")),
        ("mobilenetv2", _renamed("torchvision.models.mobilenetv2", "torchvision.ops.misc.ConvNormActivation")),
        ("inceptionv3", _no_functional_modules),
        ("shufflenet1_5", _no_functional_modules),
        ("densenet121", _old_attributes),
        ("resnet18", _old_attributes),
    ],
)
def test_files_of_old_torchvision_are_identified(
    name: str, change: ModuleChange, references: Mapping[str, Reference], record_network: Callable[..., ModelRecord]
) -> None:
    record = _modules(record_network(_network(name)), change)
    tensors = {key: value for key, value in record.tensors.items() if not key.endswith("num_batches_tracked")}
    found = identify(dataclasses.replace(record, tensors=tensors), references)
    assert found.deviations == ()
    assert found.architecture == ARCHITECTURES[name]


@pytest.mark.parametrize(
    ("name", "path"), [("resnet18", "maxpool"), ("googlenet", "maxpool1"), ("shufflenet1_0", "stage2.0.branch1")]
)
def test_modules_that_every_version_has_may_not_be_missing(
    name: str, path: str, references: Mapping[str, Reference], record_network: Callable[..., ModelRecord]
) -> None:
    record = _modules(record_network(_network(name)), lambda module: None if module.path == path else module)
    assert (
        Deviation(path, "module", *_kind_and_nothing(references[name], path)) in identify(record, references).deviations
    )


def _kind_and_nothing(reference: Reference, path: str) -> tuple[str, str]:
    return next(module.kind for module in reference.modules if module.path == path), "nothing"


def _set(path: str, **attributes: object) -> Tampering:
    def tamper(network: nn.Module) -> None:
        for name, value in attributes.items():
            setattr(network.get_submodule(path), name, value)

    return tamper


def _replace(path: str, module: nn.Module) -> Tampering:
    return lambda network: network.set_submodule(path, module)


def _append(path: str, module: nn.Module) -> Tampering:
    return lambda network: network.get_submodule(path).append(module)


def _reorder(network: Any) -> None:
    children = network.layer1._modules
    children["0"] = children.pop("0")


_TAMPERINGS: dict[str, tuple[str, Tampering, str]] = {
    "stride": ("resnet18", _set("conv1", stride=(1, 1)), "conv1: stride (2, 2) expected, (1, 1) found"),
    "padding": ("vgg11bn", _set("features.0", padding=(0, 0)), "features.0: padding (1, 1) expected, (0, 0) found"),
    "padding mode": (
        "resnet34",
        _set("layer1.0.conv1", padding_mode="circular"),
        "layer1.0.conv1: padding_mode zeros expected, circular found",
    ),
    "dilation": ("resnet50", _set("conv1", dilation=(2, 2)), "conv1: dilation (1, 1) expected, (2, 2) found"),
    "groups": (
        "mobilenetv2",
        _set("features.1.conv.0.0", groups=1),
        "features.1.conv.0.0: groups 32 expected, 1 found",
    ),
    "eps": ("densenet121", _set("features.norm0", eps=1e-3), "features.norm0: eps 1e-05 expected, 0.001 found"),
    "eps of another family": ("googlenet", _set("conv1.bn", eps=1e-5), "conv1.bn: eps 0.001 expected, 1e-05 found"),
    "batch statistics": (
        "resnet18",
        _set("bn1", track_running_stats=False),
        "bn1: track_running_stats True expected, False found",
    ),
    "activation": (
        "resnet18",
        _replace("relu", nn.LeakyReLU()),
        "relu: module torch.nn.ReLU expected, torch.nn.LeakyReLU found",
    ),
    "clipping": ("mobilenetv2", _set("features.0.2", max_val=60.0), "features.0.2: max_val 6.0 expected, 60.0 found"),
    "pooling": (
        "densenet121",
        _set("features.transition1.pool", divisor_override=1),
        "features.transition1.pool: divisor_override None expected, 1 found",
    ),
    "pooling mode": (
        "squeezenetv1_1",
        _set("features.2", ceil_mode=False),
        "features.2: ceil_mode True expected, False",
    ),
    "dropout": ("vgg13bn", _set("classifier.2", p=0.0), "classifier.2: p 0.5 expected, 0.0 found"),
    "extra layer": (
        "vgg16bn",
        _append("features", nn.Conv2d(512, 512, 1, device="meta")),
        "features.44: module nothing expected, torch.nn.Conv2d found",
    ),
    "extra module without parameters": (
        "vgg16bn",
        _append("classifier", nn.Softmax(1)),
        "classifier.7: module nothing expected, torch.nn.Softmax found",
    ),
    "missing layer": (
        "resnet18",
        lambda network: delattr(network, "maxpool"),
        "maxpool: module torch.nn.MaxPool2d expected, nothing found",
    ),
    "skipped layer": (
        "resnet18",
        _replace("layer2.0.downsample", nn.Identity()),
        "layer2.0.downsample: module torch.nn.Sequential expected, torch.nn.Identity found",
    ),
    "order": ("resnet18", _reorder, "network: next module layer1.0 expected, layer1.1 found"),
    "transform_input": (
        "inceptionv3",
        _set("", transform_input=True),
        "network: transform_input False expected, True found",
    ),
    "drop_rate": (
        "densenet169",
        _set("features.denseblock1.denselayer1", drop_rate=0.2),
        "features.denseblock1.denselayer1: drop_rate 0.0 expected, 0.2 found",
    ),
    "shortcut": (
        "mobilenetv2",
        _set("features.3", use_res_connect=False),
        "features.3: use_res_connect True expected, False found",
    ),
    "branch": ("shufflenet1_0", _set("stage2.1", stride=2), "stage2.1: stride 1 expected, 2 found"),
    "channels": (
        "resnet18",
        _replace("layer1.0.bn1", nn.BatchNorm2d(65, device="meta")),
        "layer1.0.bn1: num_features 64 expected, 65 found",
    ),
    "bias": (
        "resnet18",
        _replace("conv1", nn.Conv2d(3, 64, 7, 2, 3, device="meta")),
        "conv1.bias: tensor nothing expected, shape (64,) found",
    ),
    "input channels": (
        "resnet18",
        _replace("conv1", nn.Conv2d(4, 64, 7, 2, 3, bias=False, device="meta")),
        "conv1: in_channels 3 expected, 4 found",
    ),
}


@pytest.mark.parametrize("case", _TAMPERINGS)
def test_tampering_is_spelled_out(
    case: str, references: Mapping[str, Reference], record_network: Callable[..., ModelRecord]
) -> None:
    name, tamper, expected = _TAMPERINGS[case]
    network = _network(name)
    tamper(network)
    record = record_network(network)
    found = identify(record, references)
    assert (found.architecture, found.nearest, found.num_classes) == (None, name, 10)
    assert any(str(deviation).startswith(expected) for deviation in found.deviations), found.deviations
    (finding,) = structure_findings(record, found)
    assert (finding.severity, finding.code) == (Severity.TAMPERED, "graph_deviates")
    assert finding.evidence["num_deviations"] == len(found.deviations)


def _constructed(constructor: str, **options: Any) -> nn.Module:
    with torch.device("meta"):
        network: nn.Module = getattr(torchvision_models(), constructor)(**options)
    return network


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize(
    ("network", "nearest"),
    [
        ({"constructor": "resnext101_32x8d"}, "resnet101"),  # as deep, but its convolutions are grouped
        ({"constructor": "googlenet", "init_weights": False}, "googlenet"),  # with its auxiliary heads
        ({"constructor": "inception_v3", "init_weights": False}, "inceptionv3"),
        ({"constructor": "shufflenet_v2_x0_5"}, "shufflenet1_0"),
        ({"constructor": "vgg11"}, "vgg11bn"),
        ({"constructor": "mobilenet_v2", "width_mult": 0.75}, "mobilenetv2"),
        ({"constructor": "DenseNet", "block_config": (6, 12, 23, 16)}, "densenet121"),
        ({"constructor": "resnet18", "num_classes": 1}, "resnet18"),
        ({"constructor": "squeezenet1_0", "num_classes": 0}, "squeezenetv1_0"),
    ],
)
def test_relatives_of_the_references_deviate(
    network: dict[str, Any],
    nearest: str,
    references: Mapping[str, Reference],
    record_network: Callable[..., ModelRecord],
) -> None:
    found = identify(record_network(_constructed(**network)), references)
    assert found.architecture is None
    assert len(found.deviations) > 0
    if nearest != "shufflenet1_0":  # all its references are equally far
        assert found.nearest == nearest


def test_auxiliary_heads_are_named(
    references: Mapping[str, Reference], record_network: Callable[..., ModelRecord]
) -> None:
    found = identify(record_network(_constructed("googlenet", init_weights=False)), references)
    texts = [str(deviation) for deviation in found.deviations]
    assert "network: aux_logits False expected, True found" in texts
    assert "aux1: module nothing expected, torchvision.models.googlenet.InceptionAux found" in texts


def test_wrong_block_counts_list_at_most_twenty_deviations(
    references: Mapping[str, Reference], record_network: Callable[..., ModelRecord]
) -> None:
    resnet = torchvision_models().resnet
    with torch.device("meta"):
        record = record_network(resnet.ResNet(resnet.BasicBlock, [2, 6, 2, 2], num_classes=10))
    found = identify(record, references)
    assert found.nearest == "resnet18"
    (finding,) = structure_findings(record, found)
    evidence: Any = finding.evidence
    assert len(evidence["deviations"]) == 20 < evidence["num_deviations"]
    assert f"{evidence['num_deviations'] - 1} more" in finding.message
    assert len(evidence["differences"]) == min(evidence["num_deviations"], 200)
    assert set(evidence["differences"][0]) == {"path", "what", "expected", "found"}


@pytest.mark.parametrize("kind", ContentKind)
def test_other_networks_are_unknown(
    kind: ContentKind, references: Mapping[str, Reference], record_network: Callable[..., ModelRecord]
) -> None:
    record = record_network(_constructed("vit_b_16"), kind)
    found = identify(record, references)
    assert (found.architecture, found.nearest, found.deviations) == (None, None, ())
    assert not found.tampered
    (finding,) = structure_findings(record, found)
    assert (finding.severity, finding.code) == (Severity.WARNING, "unknown_architecture")
    assert "not one of its layers is a layer of any of the 24 references" in finding.message


@pytest.mark.parametrize(
    ("path", "home", "text"),
    [
        ("relu", "elsewhere.nn", "torch.nn.ReLU expected, elsewhere.nn.ReLU found"),
        (
            "layer1.0",  # the block of a network for videos, with another forward pass
            "torchvision.models.video.resnet",
            "torchvision.models.resnet.BasicBlock expected, torchvision.models.video.resnet.BasicBlock found",
        ),
    ],
)
def test_same_name_from_another_place_is_another_class(
    path: str, home: str, text: str, references: Mapping[str, Reference], record_network: Callable[..., ModelRecord]
) -> None:
    def move(module: ModuleRecord) -> ModuleRecord:
        return dataclasses.replace(module, class_module=home) if module.path == path else module

    record = _modules(record_network(_network("resnet18")), move)
    (deviation,) = identify(record, references).deviations
    assert str(deviation) == f"{path}: module {text}"


@pytest.mark.hostile
@pytest.mark.parametrize(
    "value",
    [10**5000, "x" * 10**6, "two\nlines \x1b[2J", (10**5000,), float("nan"), None],
    ids=["huge number", "long text", "control characters", "tuple", "nan", "none"],
)
def test_hostile_attributes_make_short_printable_deviations(
    value: Any, references: Mapping[str, Reference], record_network: Callable[..., ModelRecord]
) -> None:
    def poison(module: ModuleRecord) -> ModuleRecord:
        attributes = {**module.attributes, "eps": value}
        return dataclasses.replace(module, attributes=attributes) if module.path == "bn1" else module

    (deviation,) = identify(_modules(record_network(_network("resnet18")), poison), references).deviations
    assert str(deviation).startswith("bn1: eps 1e-05 expected, ")
    assert len(str(deviation)) < 500
    assert str(deviation).isprintable()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda tensors: tensors.pop("fc.bias"), "fc.bias: tensor of shape (10,) expected, nothing found"),
        (
            lambda tensors: tensors.update({"payload": tensors["fc.bias"]}),
            "payload: tensor nothing expected, shape (10,) found",
        ),
        (
            lambda tensors: tensors.update({"fc.bias": tensors["fc.bias"][:9]}),
            "fc.bias: shape (10,) expected, (9,) found",
        ),
        (
            lambda tensors: tensors.update({"conv1.weights": tensors.pop("conv1.weight")}),
            "conv1.weight: tensor of shape (64, 3, 7, 7) expected, nothing found",
        ),
    ],
)
def test_state_dicts_are_compared_by_name_and_shape(
    change: Callable[[dict[str, Any]], object],
    expected: str,
    references: Mapping[str, Reference],
    record_network: Callable[..., ModelRecord],
) -> None:
    record = record_network(_network("resnet18"), ContentKind.STATE_DICT)
    tensors = dict(record.tensors)
    change(tensors)
    found = identify(dataclasses.replace(record, tensors=tensors), references)
    assert (found.architecture, found.nearest) == (None, "resnet18")
    assert str(found.deviations[0]) == expected


def test_classifier_without_a_shape_is_no_class_count(
    references: Mapping[str, Reference], record_network: Callable[..., ModelRecord]
) -> None:
    record = record_network(_network("resnet18"), ContentKind.STATE_DICT)
    for weight in (None, record.tensors["bn1.num_batches_tracked"]):
        tensors: dict[str, Any] = {**record.tensors, "fc.weight": weight}
        if weight is None:
            del tensors["fc.weight"]
        found = identify(dataclasses.replace(record, tensors=tensors), references)
        assert (found.architecture, found.num_classes) == (None, None)


def test_what_a_state_dict_cannot_show_is_said(
    references: Mapping[str, Reference], record_network: Callable[..., ModelRecord]
) -> None:
    record = record_network(_network("resnet18"), ContentKind.STATE_DICT)
    findings = list(structure_findings(record, identify(record, references)))
    assert [(finding.severity, finding.code) for finding in findings] == [
        (Severity.INFO, "architecture"),
        (Severity.WARNING, "modules_unchecked"),
    ]


@pytest.mark.parametrize(("num_classes", "warned"), [(4, True), (5, False), (45, False), (46, True), (10_000, True)])
def test_class_counts_outside_of_trojai_are_warned_about(
    num_classes: int, warned: bool, references: Mapping[str, Reference], record_network: Callable[..., ModelRecord]
) -> None:
    record = record_network(_network("shufflenet1_0", num_classes))
    codes = [finding.code for finding in structure_findings(record, identify(record, references))]
    assert codes == ["architecture"] + ["class_count"] * warned
