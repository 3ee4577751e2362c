"""The package as a user installs it: from a wheel, in a bare environment, away from the checkout."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import detector
from detector.base.resources import SHIPPED, data_directory
from detector.commands.cli import SUBCOMMANDS
from detector.program import CONSOLE_SCRIPT

HOME = Path(__file__).resolve().parents[1]
SAMPLE = HOME / "samples" / "id-00000000"
SOURCES = (*SHIPPED, "detector", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "entrypoint.py")


def output(command: list[str], cwd: Path) -> str:
    """What a command prints that must succeed; it sees neither this checkout nor the variables of Python."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(kind: str, source: Path) -> Path:
    """Build a `sdist` or a `wheel` as pip does, with the setuptools of this environment."""
    program = f"from setuptools import build_meta; build_meta.build_{kind}('dist')"
    output([sys.executable, "-c", program], source)
    (built,) = (source / "dist").iterdir()
    return built


def files_below(root: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    paths = [path for name in names for path in (root / name, *(root / name).rglob("*"))]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths if path.is_file()}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the package is made of, with something left in it by an earlier build."""
    folder = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        if (HOME / name).is_dir():
            shutil.copytree(HOME / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(HOME / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the source distribution, so that what is missing there is missing here; with a stale module about."""
    unpacked = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(build("sdist", source)) as archive:
        archive.extractall(unpacked, filter="data")
    (root,) = unpacked.iterdir()
    stale = root / "build" / "lib" / "detector" / "of_last_year.py"
    stale.parent.mkdir(parents=True)
    stale.touch()
    return build("wheel", root)


Environment = tuple[Path, Path]


@pytest.fixture(scope="module")
def make_environment(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Environment]:
    """Makes a bare environment with one thing installed; it borrows the dependencies of this environment."""

    def make(*wanted: str) -> Environment:
        folder = tmp_path_factory.mktemp("environment")
        output([sys.executable, "-m", "venv", "--without-pip", "bare"], folder)
        python = folder / "bare" / "bin" / "python"
        options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
        borrowed = sysconfig.get_path("purelib")
        site = Path(
            output([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder).strip()
        )
        (site / "borrowed.pth").write_text(
            f"{borrowed}\n"
        )  # after the environment's own, and its .pth files are not read
        output(
            [sys.executable, "-m", "pip", "--python", str(python), "install", *options, "--ignore-installed", *wanted],
            folder,
        )
        return python.parent, folder

    return make


@pytest.fixture(scope="module")
def installed(make_environment: Callable[..., Environment], wheel: Path) -> Environment:
    return make_environment(str(wheel))


def judged(program: list[str], cwd: Path, scratch: Path) -> tuple[str, dict[str, Any]]:
    """The result file and the report of one sample, without the times that it took and the command's own words."""
    model = ["--model_filepath", str(SAMPLE / "model.pt"), "--examples_dirpath", str(SAMPLE / "example_data")]
    output([*program, *model, "--result_filepath", str(scratch / "result.txt"), "--scratch_dirpath", str(scratch)], cwd)
    report: dict[str, Any] = json.loads((scratch / "report.json").read_text())
    own = {"timings", "date", "command"}
    return (scratch / "result.txt").read_text(), {key: value for key, value in report.items() if key not in own}


def test_the_wheel_holds_the_package_and_its_data_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
    code = {name: text for name, text in files_below(HOME, ("detector",)).items() if not name.endswith(".pyc")}
    data = {f"detector/data/{name}": text for name, text in files_below(HOME, SHIPPED).items()}
    assert inside == code | data


def test_an_installed_package_judges_a_sample_as_the_checkout_does(
    installed: Environment, metaparameters: Callable[..., list[str]], tmp_path: Path
) -> None:
    scripts, foreign = installed
    patient = metaparameters(infer_bundle="small")  # a busy machine changes no answer
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    checkout = judged([sys.executable, str(HOME / "entrypoint.py"), *patient], HOME, tmp_path / "here")
    assert judged([str(scripts / CONSOLE_SCRIPT), *patient], foreign, tmp_path / "there") == checkout


def test_the_installed_package_is_the_one_that_was_installed(installed: Environment) -> None:
    scripts, foreign = installed
    program = "import detector, detector.base.resources as r; print(detector.__file__, r.data_directory())"
    module, data = output([str(scripts / "python"), "-c", program], foreign).split()
    assert Path(module).is_relative_to(foreign)
    assert Path(data) == Path(module).parent / "data"


@pytest.mark.parametrize("command", SUBCOMMANDS)
def test_the_console_script_has_the_commands_of_the_entrypoint(command: str, installed: Environment) -> None:
    scripts, foreign = installed
    theirs = output([str(scripts / CONSOLE_SCRIPT), command, "--help"], foreign)
    ours = output([sys.executable, str(HOME / "entrypoint.py"), command, "--help"], HOME)
    squeezed = (" ".join(text.replace(CONSOLE_SCRIPT, "entrypoint.py").split()) for text in (theirs, ours))
    assert len(set(squeezed)) == 1


def test_the_console_script_tells_its_version(installed: Environment) -> None:
    scripts, foreign = installed
    assert output([str(scripts / CONSOLE_SCRIPT), "--version"], foreign) == f"{CONSOLE_SCRIPT} {detector.__version__}\n"


def test_an_editable_install_reads_the_data_of_its_source(
    make_environment: Callable[..., Environment], source: Path
) -> None:
    scripts, foreign = make_environment("--editable", str(source))
    program = "import detector.base.resources as r; print(r.data_directory())"
    assert Path(output([str(scripts / "python"), "-c", program], foreign).strip()) == source
    assert not (source / "detector" / "data").exists()


def test_a_checkout_reads_its_own_data() -> None:
    assert data_directory() == HOME


def test_the_version_stands_in_one_place() -> None:
    document = tomllib.loads((HOME / "pyproject.toml").read_text())
    assert document["project"]["dynamic"] == ["version"]
    recipes = ("pyproject.toml", "Dockerfile", "singularity.def", "compose.yaml", "Makefile", "containers/install.sh")
    versions = re.compile(rf"(?<![\d.]){re.escape(detector.__version__)}(?![\d.])")
    assert [name for name in recipes if versions.search((HOME / name).read_text())] == []


@pytest.fixture
def another_version(tmp_path: Path) -> Path:
    """A tree whose detector says that it is 7.8.9, with what reads the version from it."""
    (tmp_path / "detector").mkdir()
    text = (HOME / "detector" / "__init__.py").read_text()
    changed = text.replace(f'__version__ = "{detector.__version__}"', '__version__ = "7.8.9"')
    assert changed != text
    (tmp_path / "detector" / "__init__.py").write_text(changed)
    for path in (HOME / "Makefile", HOME / "containers" / "install.sh"):
        shutil.copy(path, tmp_path)
    return tmp_path


def test_make_image_labels_with_the_version_of_the_code(another_version: Path) -> None:
    assert "--build-arg VERSION=7.8.9 " in output(["make", "--dry-run", "image", "ENGINE=engine"], another_version)


def test_the_recipes_read_the_version_of_the_code_and_refuse_another(another_version: Path) -> None:
    command = ["sh", "install.sh", "version"]
    assert output(command, another_version) == "7.8.9\n"
    assert output([*command, "7.8.9"], another_version) == "7.8.9\n"
    done = subprocess.run([*command, "7.8.8"], cwd=another_version, capture_output=True, text=True)
    assert (done.returncode, "7.8.8" in done.stderr) == (1, True)
    assert "install.sh version ${VERSION}" in (HOME / "Dockerfile").read_text()
    assert "$(sh /opt/detector/install.sh version)" in (HOME / "singularity.def").read_text()
