"""`python -m detector.graph --write|--check [DIRECTORY]`: regenerates the reference data, or proves it up to date."""

from __future__ import annotations

import argparse
from pathlib import Path

from detector.architectures import ARCHITECTURES
from detector.graph.dot import to_dot
from detector.graph.file_sizes import FileSize, compute_file_size, format_file_sizes
from detector.graph.modules import Reference, format_modules
from detector.graph.reference import DEFAULT_DIRECTORY, FILE_SIZES
from detector.graph.text import format_graph
from detector.graph.trace import trace


def architecture_files(reference: Reference) -> dict[str, str]:
    """The files of one architecture: name -> text."""
    name = reference.graph.architecture
    return {
        f"{name}.graph": format_graph(reference.graph),
        f"{name}.dot": to_dot(reference.graph),
        f"{name}.modules": format_modules(reference.modules),
    }


def reference_files() -> dict[str, str]:
    """Every file of the reference data, freshly traced: name -> text."""
    files: dict[str, str] = {}
    sizes: dict[str, FileSize] = {}
    for name, architecture in ARCHITECTURES.items():
        reference = trace(architecture)
        files |= architecture_files(reference)
        sizes[name] = compute_file_size(architecture, reference)
    return files | {FILE_SIZES: format_file_sizes(sizes)}


def differing(files: dict[str, str], directory: Path) -> list[str]:
    """Names of files that are missing, outdated or left over in the directory."""
    present = {path.name: path.read_text(encoding="utf-8") for path in directory.glob("*") if path.is_file()}
    return sorted(name for name in files.keys() | present.keys() if files.get(name) != present.get(name))


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0, or 1 if `--check` found a difference."""
    parser = argparse.ArgumentParser(prog="python -m detector.graph", description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", action="store_true", help="write the files that differ")
    mode.add_argument("--check", action="store_true", help="only compare; exit with 1 if a file differs")
    parser.add_argument("directory", nargs="?", type=Path, default=DEFAULT_DIRECTORY)
    options = parser.parse_args(arguments)
    files = reference_files()
    names = differing(files, options.directory)
    for name in names:
        print(f"{options.directory / name}: {'written' if options.write else 'differs from torchvision'}")
    if options.write:
        _write({name: files.get(name) for name in names}, options.directory)
    return 1 if names and options.check else 0


def _write(files: dict[str, str | None], directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        if text is None:
            (directory / name).unlink()
        else:
            (directory / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
