"""A small round of random networks, and rounds of empty files where only names and labels matter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from detector.architectures import ARCHITECTURES, build
from detector.configure.readings import ArchitectureReadings
from detector.mapping.attraction import ATTRACTION_STATISTICS
from detector.mapping.signals import CLASSIFIER_STATISTICS, PER_VARIANT, UNPRUNED_STATISTICS
from detector.pruning.theta import Theta

POISONED = (1, 0, 1, 0, 0, 1, 1, 0)


@pytest.fixture(scope="session")
def small_round(small_case: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Round 2's layout: 8 random SqueezeNets 1.1, one ShuffleNet 1.0, and three members that cannot be used."""
    root = tmp_path_factory.mktemp("rounds") / "round2-train-dataset"
    lines = ["model_name,poisoned,model_architecture"]
    for number in range(12):
        folder = root / f"id-{number:08d}"
        folder.mkdir(parents=True)
        (folder / "example_data").symlink_to(small_case.examples)
        if number < 11:
            lines.append(f"{folder.name},{bool((*POISONED, 1, 0, 1)[number])},any")
        if number < 9:
            name = "squeezenetv1_1" if number < 8 else "shufflenet1_0"
            torch.manual_seed(number)
            torch.save(build(ARCHITECTURES[name], 5).eval(), folder / "model.pt")
    (root / "id-00000009" / "model.pt").write_text("not a model")
    (root / "id-00000010" / "model.pt").write_bytes((root / "id-00000000" / "model.pt").read_bytes())
    (root / "id-00000011" / "model.pt").write_text("without a label")
    (root / "METADATA.csv").write_text("\n".join(lines))
    return root


@pytest.fixture
def make_member() -> Callable[..., Path]:
    """Makes a model's folder: an empty model.pt, an empty folder of examples, and the given files."""

    def make(folder: Path, examples: str | None = "example_data", files: Mapping[str, str] | None = None) -> Path:
        folder.mkdir(parents=True)
        (folder / "model.pt").touch()
        if examples is not None:
            (folder / examples).mkdir()
        for name, text in (files or {}).items():
            (folder / name).write_text(text)
        return folder

    return make


@pytest.fixture(scope="session")
def make_readings() -> Callable[..., ArchitectureReadings]:
    """Readings of made-up models: noise that the variants of a model share, and margins that tell where planted."""

    def make(
        architecture: str,
        seed: int,
        thetas: Sequence[Theta],
        *,
        models: int = 30,
        planted: Mapping[int, float] | None = None,
    ) -> ArchitectureReadings:
        rng = np.random.default_rng(seed)
        labels = rng.permutation(np.arange(models) % 2)
        quality = rng.normal(size=(models, 1, len(PER_VARIANT)))
        shapes = [(models, theta.num_pruned_models, len(PER_VARIANT)) for theta in thetas]
        variants = [0.5 * quality + rng.normal(size=shape) for shape in shapes]
        for number, strength in (planted or {}).items():
            variants[number][:, :, 2] += strength * labels[:, None]
        return ArchitectureReadings(
            architecture=architecture,
            names=tuple(f"id-{number:08d}" for number in range(models)),
            poisoned=labels,
            signals=tuple(PER_VARIANT),
            thetas=tuple(thetas),
            variants=tuple(variants),
            seconds=tuple(np.full(models, 0.1 * one.num_pruned_models * one.num_images) for one in thetas),
            unpruned=rng.normal(size=(len(thetas), models, len(UNPRUNED_STATISTICS))),
            attraction=rng.normal(size=(len(thetas), models, len(ATTRACTION_STATISTICS))),
            classifier=rng.normal(size=(models, len(CLASSIFIER_STATISTICS))),
            untouched={"accuracy": rng.uniform(0.98, 1.0, models), "loss": rng.uniform(0.0, 0.1, models)},
        )

    return make
