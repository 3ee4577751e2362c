"""Puts the data files into the package: what else there is to say about it stands in pyproject.toml.

In the repository `reference_data`, `learned_params` and the metaparameters lie beside `detector`; a built package holds
them as `detector/data`, where `detector.base.resources` looks first. Editable installs go on reading the repository's.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
DATA = Path("detector") / "data"
SHIPPED = (
    "reference_data",
    "learned_params",
    "metaparameters.json",
    "metaparameters_schema.json",
)  # as in resources.py


class BuildWithData(build_py):
    """Copies the modules, then the data; what an earlier build left is removed first."""

    def run(self) -> None:
        if self.editable_mode:
            super().run()
            return
        shutil.rmtree(Path(self.build_lib) / "detector", ignore_errors=True)
        super().run()
        for source, target in self._copies():
            self.mkpath(str(target.parent))
            self.copy_file(str(source), str(target), preserve_mode=False)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Every file that is installed, for the package's record."""
        modules: list[str] = super().get_outputs(include_bytecode)
        return modules if self.editable_mode else [*modules, *(str(target) for _, target in self._copies())]

    def _copies(self) -> list[tuple[Path, Path]]:
        """Source and target of each data file."""
        files = [path for name in SHIPPED for path in _files(HERE / name)]
        return [(path, Path(self.build_lib) / DATA / path.relative_to(HERE)) for path in files]


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())


setup(cmdclass={"build_py": BuildWithData})
