"""Writes requirements.txt: every package of the images with its exact version, resolved from pyproject.toml's pins.

`python containers/lock.py` asks pip what it would install for `[project] dependencies` on this Python, and keeps names
and versions only: a build tag such as `+cpu` says where a wheel comes from, which is the user's choice.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCK = HERE / "requirements.txt"
HEADER = "# All packages of both images. Written by `python containers/lock.py` from the pins of pyproject.toml.\n"


def pinned() -> list[str]:
    """The direct dependencies, as pyproject.toml pins them."""
    document = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    dependencies: list[str] = document["project"]["dependencies"]
    return dependencies


def resolved(requirements: list[str]) -> dict[str, str]:
    """Name to version of everything that pip would install for the requirements."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
    report = subprocess.run(
        [*command, "--only-binary=:all:", "--report", "/dev/stdout", *requirements],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    metadata = [item["metadata"] for item in json.loads(report)["install"]]
    return {item["name"].lower().replace("_", "-"): item["version"].partition("+")[0] for item in metadata}


def main() -> None:
    """Write the lock file."""
    packages = resolved(pinned())
    LOCK.write_text(HEADER + "".join(f"{name}=={packages[name]}\n" for name in sorted(packages)), encoding="utf-8")


if __name__ == "__main__":
    main()
