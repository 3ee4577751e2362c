"""Inputs of the benchmarks: a model file with random weights, and example images.

Written by a process of its own (`python -m benchmarks.random_models ARCHITECTURE DIRECTORY SEED`), so that the
benchmarks stay small. Batch normalisations get random scales and statistics, so that signals neither vanish nor
explode: speed may depend on denormal numbers, and nothing else about weights.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

NUM_CLASSES = 5
_IMAGES_PER_CLASS = 4
_SIDE = 224
_COARSE = 8  # pixels of the random pattern that is enlarged: PNGs about as large as photographs


def random_model(architecture: str, directory: Path, seed: int = 0) -> Path:
    """The path of the model file, written if it is not there, beside a folder `examples` with images."""
    path = directory / f"{architecture}.pt"
    if not path.exists():
        words = [architecture, str(directory), str(seed)]
        subprocess.run([sys.executable, "-m", "benchmarks.random_models", *words], check=True)
    return path


def write(architecture: str, directory: Path, seed: int) -> None:
    """Write model and images."""
    _write_examples(directory / "examples")
    _write_model(architecture, directory / f"{architecture}.pt", seed)


def _write_model(architecture: str, path: Path, seed: int) -> None:
    import torch

    from detector.architectures import ARCHITECTURES, build

    torch.manual_seed(seed)
    network = build(ARCHITECTURES[architecture], NUM_CLASSES).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            for spread in (module.weight, module.running_var):
                spread.data.uniform_(0.5, 1.5)
            for centre in (module.bias, module.running_mean):
                centre.data.normal_(0, 0.1)
    torch.save(network, path)


def _write_examples(directory: Path) -> None:
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    directory.mkdir(parents=True, exist_ok=True)
    for label in range(NUM_CLASSES):
        for number in range(_IMAGES_PER_CLASS):
            pattern = Image.fromarray(rng.integers(0, 256, (_COARSE, _COARSE, 3), dtype=np.uint8))
            image = pattern.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
            image.save(directory / f"class_{label}_example_{number}.png")


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
