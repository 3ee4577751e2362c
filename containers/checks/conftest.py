"""Which image is checked, the sample models, and what the bare program answers for them: the oracle."""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from runtimes import REPOSITORY, Apptainer, Podman, Runtime, output

_LARGE = 200  # pixels a side


def _sees_small_images(sample: Path) -> bool:
    """What is measured of large images depends on how busy the machine is; answers would differ for that alone."""
    return int(json.loads((sample / "config.json").read_text())["CNN_IMG_SIZE_PIXELS"]) < _LARGE


SAMPLES = sorted(filter(_sees_small_images, (REPOSITORY / "samples").glob("id-*")))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Name the image, and the file that collects figures for the table."""
    parser.addoption("--podman-image", help="check this image with podman")
    parser.addoption("--sif", type=Path, help="check this SIF with Apptainer")
    parser.addoption("--figures", type=Path, required=True, help="append measured figures to this file")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`every_sample`: each model that ships with the repository, or a random one while there is none."""
    if "every_sample" in metafunc.fixturenames:
        names = [sample.name for sample in SAMPLES] or ["random"]
        metafunc.parametrize("every_sample", names, indirect=True)


@pytest.fixture(scope="session")
def runtime(pytestconfig: pytest.Config) -> Runtime:
    sif = pytestconfig.getoption("--sif")
    return Apptainer(sif.resolve()) if sif else Podman(pytestconfig.getoption("--podman-image"))


@pytest.fixture(scope="session", autouse=True)
def _workplace(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A container's user may enter it, and what runtimes drop into the working directory stays in it."""
    tmp_path_factory.getbasetemp().chmod(0o755)
    os.chdir(tmp_path_factory.getbasetemp())


@pytest.fixture
def tmp_path(tmp_path: Path) -> Path:
    """As pytest's own, but a container's user may enter it."""
    tmp_path.chmod(0o755)
    return tmp_path


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return SAMPLES or [random_sample(tmp_path_factory.mktemp("random"))]


@pytest.fixture
def sample(samples: list[Path]) -> Path:
    """The smallest, for checks that one model is enough for."""
    return min(samples, key=lambda folder: (folder / "model.pt").stat().st_size)


@pytest.fixture
def every_sample(request: pytest.FixtureRequest, samples: list[Path]) -> Path:
    return next((folder for folder in samples if folder.name == request.param), samples[0])


@pytest.fixture(scope="session")
def record(runtime: Runtime, pytestconfig: pytest.Config) -> Callable[[str, str], None]:
    """Tell a figure for the table at the end."""

    def tell(figure: str, value: str) -> None:
        with pytestconfig.getoption("--figures").open("a", encoding="utf-8") as file:
            file.write(f"{runtime.name}\t{figure}\t{value}\n")

    return tell


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], tuple[str, float]]:
    """What the program answers outside any container, and how long that takes in seconds."""

    @functools.cache
    def answer(sample: Path) -> tuple[str, float]:
        out = tmp_path_factory.mktemp("bare")
        command = [sys.executable, f"{REPOSITORY}/entrypoint.py", "--model_filepath", f"{sample}/model.pt"]
        command += ["--examples_dirpath", f"{sample}/example_data", "--result_filepath", f"{out}/result.txt"]
        began = time.monotonic()
        output([*command, "--scratch_dirpath", str(out)])
        return (out / "result.txt").read_text(encoding="utf-8"), time.monotonic() - began

    return answer


def random_sample(folder: Path) -> Path:
    """A model that was never trained, with images of noise."""
    import numpy as np
    import torch
    from PIL import Image

    from detector.architectures import ARCHITECTURES, build

    folder.chmod(0o755)  # for any user, as a checkout is
    torch.manual_seed(0)
    torch.save(build(ARCHITECTURES["squeezenetv1_1"], 5).eval(), folder / "model.pt")
    images = np.random.default_rng(0).integers(0, 256, (10, 256, 256, 3), dtype=np.uint8)
    (folder / "example_data").mkdir()
    for index, image in enumerate(images):
        Image.fromarray(image).save(folder / f"example_data/class_{index % 5}_example_{index // 5}.png")
    return folder
