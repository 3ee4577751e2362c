"""The architectures that are known: one row each, with every name they go by.

They are the 23 of TrojAI Rounds 1-4, and resnext50_32x4d, which no round has: NIST published no sizes and no tables for
it, and its grouped convolutions are what none of the 23 has.

Rows hold plain facts only (names, constructor, NIST's size centroids), so that reading this table imports neither
torch nor torchvision. `build` is the one place where a network is constructed, always fresh and always ours.
Sources: TrojAI round generator `model_factories.py`, METADATA.csv, and `model_classifier*.py` of NIST's reference
implementation (its file-size centroids, in MB = 1e6 bytes, and its names, two of which are wrong for VGG).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Architecture:
    """One reference architecture.

    `name` is the spelling of METADATA.csv and config.json, used everywhere in this project; `constructor` the
    torchvision function; `root_class` the class at the top of a pickled module; `nist_name` the row to read in
    NIST's published tables; `nist_sizes` NIST's file-size centroids in MB by round ("1", "2": Round 2 and later), empty
    for an architecture of no TrojAI round.
    """

    name: str
    constructor: str
    root_class: str
    nist_name: str
    nist_sizes: Mapping[str, float]

    @property
    def in_trojai(self) -> bool:
        """Whether TrojAI Rounds 1-4 have it."""
        return bool(self.nist_sizes)


def _row(
    name: str, constructor: str, root_class: str, nist_name: str | None = None, r1: float = 0, r2: float = 0
) -> Architecture:
    sizes = {key: size for key, size in (("1", r1), ("2", r2)) if size}
    return Architecture(name, constructor, root_class, nist_name or name, MappingProxyType(sizes))


_ROWS = (
    _row("resnet18", "resnet18", "ResNet", r2=44.826),
    _row("resnet34", "resnet34", "ResNet", r2=85.323),
    _row("resnet50", "resnet50", "ResNet", r1=94.381, r2=94.488),
    _row("resnet101", "resnet101", "ResNet", r2=170.766),
    _row("resnet152", "resnet152", "ResNet", r2=233.640),
    _row("googlenet", "googlenet", "GoogLeNet", "inceptionv1(googlenet)", r2=22.656),
    _row("inceptionv3", "inception_v3", "Inception3", r1=87.47, r2=87.624),
    _row("densenet121", "densenet121", "DenseNet", r1=28.368, r2=28.485),
    _row("densenet161", "densenet161", "DenseNet", r2=107.279),
    _row("densenet169", "densenet169", "DenseNet", r2=51.065),
    _row("densenet201", "densenet201", "DenseNet", r2=73.869),
    _row("squeezenetv1_0", "squeezenet1_0", "SqueezeNet", r2=3.010),
    _row("squeezenetv1_1", "squeezenet1_1", "SqueezeNet", r2=2.963),
    _row("wideresnet50", "wide_resnet50_2", "ResNet", "wide_resnet50", r2=267.851),
    _row("wideresnet101", "wide_resnet101_2", "ResNet", "wide_resnet101", r2=500.261),
    _row("mobilenetv2", "mobilenet_v2", "MobileNetV2", r2=9.238),
    _row("shufflenet1_0", "shufflenet_v2_x1_0", "ShuffleNetV2", r2=5.262),
    _row("shufflenet1_5", "shufflenet_v2_x1_5", "ShuffleNetV2", r2=10.204),
    _row("shufflenet2_0", "shufflenet_v2_x2_0", "ShuffleNetV2", r2=21.758),
    # NIST's tables call VGG-11 and VGG-13 together "vgg11_bn", VGG-16 "vgg13_bn" and VGG-19 "vgg16_bn": the row to
    # read is the one fitted on the true architecture, and the centroid is the one that its files were nearest to.
    _row("vgg11bn", "vgg11_bn", "VGG", "vgg11_bn", r2=515.824),
    _row("vgg13bn", "vgg13_bn", "VGG", "vgg11_bn", r2=515.824),
    _row("vgg16bn", "vgg16_bn", "VGG", "vgg13_bn", r2=537.372),
    _row("vgg19bn", "vgg19_bn", "VGG", "vgg16_bn", r2=558.662),
    _row("resnext50_32x4d", "resnext50_32x4d", "ResNet"),
)

ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType({row.name: row for row in _ROWS})
TROJAI_ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType({row.name: row for row in _ROWS if row.in_trojai})


def build(architecture: Architecture, num_classes: int, **options: object) -> torch.nn.Module:
    """A fresh, randomly initialised torchvision network as TrojAI's generator constructs it (no auxiliary heads).

    `options` go to the torchvision constructor: who trains GoogLeNet or InceptionV3 passes `init_weights=True`, the
    slow initialisation that everybody else would throw away. The caller decides on `eval()`; weights come from
    torch's global generator.
    """
    from detector.torchvision_ops import torchvision_models  # heavy: only for those who build

    if architecture.root_class in ("GoogLeNet", "Inception3"):
        options = {"aux_logits": False, "init_weights": False, **options}
    constructor = getattr(torchvision_models(), architecture.constructor)
    network: torch.nn.Module = constructor(weights=None, num_classes=num_classes, **options)
    return network
