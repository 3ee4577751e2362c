"""Fixtures that several packages' tests share.

The eager PyTorch oracle, networks whose ranks do not tie, a small model with images that it classifies correctly, and
the program itself, run in this process or in one of its own.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from detector import program
from detector.architectures import ARCHITECTURES, build
from detector.pruning.theta import Theta
from detector.pruning.variant import RowPatch
from detector.rounds.preprocessing import PROFILES
from detector.signals.attraction import ATTRACTION_STATISTICS
from detector.signals.classifier_weights import CLASSIFIER_STATISTICS
from detector.signals.registry import per_variant
from detector.signals.unpruned import UNPRUNED_STATISTICS
from detector.sweep.readings import ArchitectureReadings, images_of

ENTRYPOINT = Path(__file__).resolve().parents[1] / "entrypoint.py"


def random_network(name: str, num_classes: int = 10, seed: int = 0) -> torch.nn.Module:
    """A network in evaluation mode whose batch normalisations have random scales and statistics."""
    torch.manual_seed(seed)
    network = build(ARCHITECTURES[name], num_classes).eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.1)
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network


def eager_logits(network: torch.nn.Module, images: np.ndarray, patches: Sequence[RowPatch] = ()) -> np.ndarray:
    """What torchvision's own code answers, with the patches written into the network and taken back."""
    parameters = dict(network.named_parameters())
    before = []
    with torch.inference_mode():
        for patch in patches:
            rows = torch.from_numpy(patch.rows)
            before.append((parameters[patch.parameter], rows, parameters[patch.parameter][rows]))
            parameters[patch.parameter][rows] = 0.0 if patch.values is None else torch.from_numpy(patch.values)
        answer: np.ndarray = network(torch.from_numpy(images)).numpy()
        for parameter, rows, values in reversed(before):
            parameter[rows] = values
    return answer


@pytest.fixture(name="random_network")
def random_network_fixture() -> Callable[..., torch.nn.Module]:
    return random_network


@pytest.fixture(name="eager_logits")
def eager_logits_fixture() -> Callable[..., np.ndarray]:
    return eager_logits


@dataclass(frozen=True)
class Case:
    """A model file and the folder of its clean examples."""

    model: Path
    examples: Path

    def options(self, output: Path) -> list[str]:
        """The four options of Rounds 1-4, with the result and the scratch folder in `output`."""
        paths = {"model": self.model, "result": output / "result.txt"}
        words = [word for name, path in paths.items() for word in (f"--{name}_filepath", str(path))]
        return [*words, "--scratch_dirpath", str(output / "scratch"), "--examples_dirpath", str(self.examples)]


@pytest.fixture(scope="session")
def small_case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """SqueezeNet 1.1 of 5 classes and one image of each, all classified correctly when preprocessed as `rgb_minmax`."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "example_data").mkdir()
    rng = np.random.default_rng(5)
    pixels = [np.kron(rng.integers(0, 256, (7, 7, 3)), np.ones((32, 32, 1))).astype(np.uint8) for _ in range(5)]
    for label, image in enumerate(pixels):
        Image.fromarray(image).save(folder / "example_data" / f"class_{label}_example_{label}.png")
    network = random_network("squeezenetv1_1", num_classes=5)
    _fit_classifier(network, torch.from_numpy(np.stack([PROFILES["rgb_minmax"](image) for image in pixels])))
    torch.save(network, folder / "model.pt")
    return Case(folder / "model.pt", folder / "example_data")


def _fit_classifier(network: torch.nn.Module, images: torch.Tensor) -> None:
    """Set SqueezeNet's last convolution so that logit i of image i is 11, and its others about 10."""
    convolution = network.get_submodule("classifier.1")
    means = network.get_submodule("features")(images).mean((2, 3)).double()
    weight, bias = convolution.get_parameter("weight"), convolution.get_parameter("bias")
    weight.copy_(torch.linalg.pinv(means).T.float()[:, :, None, None])
    bias.fill_(10.0)  # out of reach of the ReLU behind it


@pytest.fixture(scope="session")
def tampered_case(small_case: Case, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The small case with another stride in its first convolution: answered without importing torch, so quickly."""
    folder = tmp_path_factory.mktemp("tampered")
    network = random_network("squeezenetv1_1", num_classes=5)
    network.get_submodule("features.0").stride = (1, 2)  # type: ignore[assignment]
    torch.save(network, folder / "model.pt")
    return Case(folder / "model.pt", small_case.examples)


@pytest.fixture(scope="session")
def metaparameters(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[str]]:
    """Options that name a metaparameters file like the shipped one but for the given values.

    The budget is ten times as long, so that a busy machine changes no answer, and the bundle, unless another is given,
    NIST's for Round 2: the tests' images have 224 pixels.
    """

    def options(**changes: object) -> list[str]:
        path = tmp_path_factory.mktemp("metaparameters") / "metaparameters.json"
        shipped = json.loads(ENTRYPOINT.with_name("metaparameters.json").read_text())
        path.write_text(json.dumps(shipped | {"infer_max_seconds": 600, "infer_bundle": "nist-round2"} | changes))
        return ["--metaparameters_filepath", str(path)]

    return options


@dataclass(frozen=True)
class Outcome:
    """What a run of the program left behind; `result` and `report` are None where there is no such file."""

    code: int
    stdout: str
    stderr: str
    output: Path

    @property
    def result(self) -> str | None:
        """All of the result file."""
        path = self.output / "result.txt"
        return path.read_text() if path.exists() else None

    @property
    def report(self) -> Any:
        """What report.json holds."""
        path = self.output / "scratch" / "report.json"
        return json.loads(path.read_text()) if path.exists() else None

    @property
    def finding_codes(self) -> set[str]:
        """Of the report."""
        return {finding["code"] for finding in self.report["findings"]}

    @property
    def error_line(self) -> str:
        """The only line on stderr that is no warning."""
        (line,) = [line for line in self.stderr.splitlines() if " WARNING: " not in line]
        return line


@pytest.fixture(scope="session")
def entrypoint() -> Iterator[ModuleType]:
    """The program as a module, its time counted from each call and not from the start of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(program, "process_started", time.monotonic)
        yield program


@pytest.fixture(scope="session")
def run_here(entrypoint: ModuleType) -> Callable[..., Outcome]:
    """Runs `main` in this process, on options whose result and scratch are in `output`."""

    def run(options: Sequence[str], output: Path) -> Outcome:
        stdout, stderr = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            code = entrypoint.main(options)
        return Outcome(code, stdout.getvalue(), stderr.getvalue(), output)

    return run


@pytest.fixture(scope="session")
def run_process() -> Callable[..., Outcome]:
    """Runs entrypoint.py in a process of its own; environment variables that are None are taken away."""

    def run(
        options: Sequence[str], output: Path, cwd: Path | None = None, env: Mapping[str, str | None] | None = None
    ) -> Outcome:
        wanted = {**os.environ, "OMP_NUM_THREADS": "1", **(env or {})}
        environment = {name: value for name, value in wanted.items() if value is not None}
        command = [sys.executable, str(ENTRYPOINT), *options]
        done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)
        return Outcome(done.returncode, done.stdout, done.stderr, output)

    return run


@pytest.fixture(scope="session")
def answer(
    small_case: Case,
    run_here: Callable[..., Outcome],
    metaparameters: Callable[..., list[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Outcome:
    """What the program says about the small case, features included."""
    output = tmp_path_factory.mktemp("answer")
    features = ["--features_filepath", str(output / "features.csv")]
    return run_here([*small_case.options(output), *features, *metaparameters()], output)


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
        quality = rng.normal(size=(models, 1, len(per_variant())))
        shapes = [(models, theta.num_pruned_models, len(per_variant())) for theta in thetas]
        variants = [0.5 * quality + rng.normal(size=shape) for shape in shapes]
        for number, strength in (planted or {}).items():
            variants[number][:, :, 2] += strength * labels[:, None]
        return ArchitectureReadings(
            architecture=architecture,
            names=tuple(f"id-{number:08d}" for number in range(models)),
            poisoned=labels,
            signals=per_variant(),
            thetas=tuple(thetas),
            variants=tuple(variants),
            seconds=tuple(np.full(models, 0.1 * one.num_pruned_models * one.num_images) for one in thetas),
            images=images_of(thetas),
            numbers={
                "unpruned": rng.normal(size=(len(thetas), models, len(UNPRUNED_STATISTICS)))[: len(images_of(thetas))],
                "attraction": rng.normal(size=(len(thetas), models, len(ATTRACTION_STATISTICS)))[
                    : len(images_of(thetas))
                ],
                "classifier_weights": np.stack(
                    [rng.normal(size=(models, len(CLASSIFIER_STATISTICS)))] * len(images_of(thetas))
                ),
            },
            untouched={"accuracy": rng.uniform(0.98, 1.0, models), "loss": rng.uniform(0.0, 0.1, models)},
        )

    return make
