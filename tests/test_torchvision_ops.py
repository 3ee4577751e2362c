"""torchvision's model code imports, and the stand-in operators never replace real ones."""

import subprocess
import sys

import torch

from detector.torchvision_ops import torchvision_models

PRELOADED = """
import torch
real = torch.library.Library("torchvision", "DEF")
real.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
real.impl("nms", lambda dets, scores, iou_threshold: scores, "CPU")
from detector.torchvision_ops import torchvision_models
torchvision_models()
assert torch.ops.torchvision.nms(torch.zeros(1, 4), torch.ones(1), 0.5).tolist() == [1.0]
"""


def test_models_import_and_run() -> None:
    network = torchvision_models().squeezenet1_1(weights=None, num_classes=3).eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 3)


def test_existing_operators_are_left_alone() -> None:
    subprocess.run([sys.executable, "-c", PRELOADED], check=True, timeout=120)
