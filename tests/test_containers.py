"""What must hold before any image is built: one source of versions, two recipes that agree, and scripts that parse."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement

import detector
from detector.commands.cli import InferCommand, parse

ROOT = Path(__file__).resolve().parents[1]
CONTAINERS = ROOT / "containers"
SCRIPTS = sorted(CONTAINERS.glob("*.sh"))


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def locked() -> dict[str, str]:
    lines = text("containers/requirements.txt").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(names: list[str]) -> Iterator[str]:
    """The names and everything that they need, as the installed packages say themselves."""
    for name in names:
        yield canonical(name)
        wanted = [Requirement(line) for line in metadata.requires(name) or []]
        yield from needed([one.name for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})])


def copied() -> dict[str, str]:
    """Source to destination of everything that the Dockerfile copies."""
    words = [line.split()[1:] for line in text("Dockerfile").splitlines() if line.startswith("COPY ")]
    pairs = [(source, line[-1]) for line in words for source in line[:-1]]
    return {source: to + Path(source).name if to.endswith("/") else to for source, to in pairs}


def section(name: str) -> list[str]:
    """The lines of a section of singularity.def."""
    body = re.split(r"^%(\w+)\n", text("singularity.def"), flags=re.MULTILINE)
    lines = dict(zip(body[1::2], body[2::2], strict=True))[name].splitlines()
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


def test_lock_keeps_the_pins_of_pyproject() -> None:
    dependencies = tomllib.loads(text("pyproject.toml"))["project"]["dependencies"]
    pins = dict(pin.split("==") for pin in dependencies)
    assert pins.items() <= locked().items()


def test_lock_is_all_that_is_needed_and_no_more() -> None:
    dependencies = tomllib.loads(text("pyproject.toml"))["project"]["dependencies"]
    assert set(needed([pin.split("==")[0] for pin in dependencies])) == set(locked())


def test_both_recipes_copy_the_same_files_to_the_same_places() -> None:
    assert dict(line.split() for line in section("files")) == copied()


def test_both_recipes_start_from_the_same_image() -> None:
    base = re.search(r"^ARG BASE_IMAGE=(.+)$", text("Dockerfile"), re.MULTILINE)
    assert base is not None
    assert f"FROM={base[1]}" in section("arguments")
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", base[1])


def test_both_recipes_take_packages_from_the_same_source() -> None:
    source = re.search(r'^ARG PIP_ARGS="(.+)"$', text("Dockerfile"), re.MULTILINE)
    assert source is not None
    assert f"PIP_ARGS={source[1]}" in section("arguments")


def test_both_recipes_install_by_the_same_script() -> None:
    ran = re.findall(r"^RUN (.+)$", text("Dockerfile"), re.MULTILINE)
    post = [line.replace("{{ PIP_ARGS }}", "${PIP_ARGS}") for line in section("post")]
    assert post[:2] == ran[:2]
    assert all("install.sh version" in lines[2] for lines in (post, ran))  # each has labels of its own kind


def test_both_images_start_the_same_command() -> None:
    words = re.search(r"^ENTRYPOINT \[(.+)\]$", text("Dockerfile"), re.MULTILINE)
    assert words is not None
    command = " ".join(word.strip(' "') for word in words[1].split(","))
    assert section("runscript") == [f'exec {command} "$@"']


def test_both_images_carry_this_version() -> None:
    """It stands in the code alone; the recipes ask for it when they are built."""
    assert detector.__version__ not in text("Dockerfile") + text("singularity.def")
    assert 'org.opencontainers.image.version="${VERSION}"' in text("Dockerfile")
    assert any("org.opencontainers.image.version $(sh" in line for line in section("post"))
    assert "--build-arg VERSION=" in text("Makefile")


def test_the_build_context_holds_what_is_copied_and_nothing_else() -> None:
    lines = text(".dockerignore").splitlines()
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == set(copied())


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_parse_and_stop_at_the_first_error(script: Path) -> None:
    shell = "sh" if script.read_text(encoding="utf-8").startswith("#!/bin/sh") else "bash"
    subprocess.run([shell, "-n", script], check=True)
    assert re.search(r"^set -eu", script.read_text(encoding="utf-8"), re.MULTILINE)


def test_no_package_index_is_named_but_pytorchs_own() -> None:
    files = [*SCRIPTS, *CONTAINERS.glob("*.*"), ROOT / "Dockerfile", ROOT / "singularity.def", ROOT / "compose.yaml"]
    hosts = {host for file in files for host in re.findall(r"https?://([\w.-]+)", file.read_text(encoding="utf-8"))}
    assert hosts == {"download.pytorch.org"}


def test_every_generation_of_the_api_is_understood() -> None:
    generations = load(CONTAINERS / "checks/generations.py")
    forms = {name: one.arguments for name, one in generations.GENERATIONS.items()} | {"one": generations.PERSISTENT}
    for name, arguments in forms.items():
        command = parse(arguments, ROOT)
        assert isinstance(command, InferCommand), name
        assert command.unknown_options == (), name


def test_compose_passes_what_the_program_understands() -> None:
    command = parse(re.findall(r"^ +- (--.+)$", text("compose.yaml"), re.MULTILINE), ROOT)
    assert isinstance(command, InferCommand)
    assert command.unknown_options == ()
    assert str(command.result_filepath).startswith("/out/")


def test_bill_of_materials_lists_what_dpkg_has_installed(tmp_path: Path) -> None:
    (tmp_path / "status").write_text(
        "Package: zlib1g\nStatus: install ok installed\nArchitecture: amd64\nMulti-Arch: same\n"
        "Version: 1:1.2.13.dfsg-1\nDescription: library\n Version: none\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n",
        encoding="utf-8",
    )
    purl = "pkg:deb/debian/zlib1g@1%3A1.2.13.dfsg-1?arch=amd64"
    expected = {"type": "library", "name": "zlib1g", "version": "1:1.2.13.dfsg-1", "purl": purl, "bom-ref": purl}
    assert list(load(CONTAINERS / "sbom.py").debian_packages(tmp_path / "status")) == [expected]
    assert list(load(CONTAINERS / "sbom.py").debian_packages(tmp_path / "none")) == []


def test_bill_of_materials_knows_every_python_package() -> None:
    document = load(CONTAINERS / "sbom.py").document({})
    versions = {part["purl"]: part["version"] for part in document["components"]}
    assert versions[f"pkg:pypi/torch@{metadata.version('torch').replace('+', '%2B')}"] == metadata.version("torch")
    assert f"pkg:pypi/typing-extensions@{metadata.version('typing_extensions')}" in versions
    assert len({part["bom-ref"] for part in document["components"]}) == len(document["components"])
