"""Reads the committed reference data: graphs, module trees and file sizes. Needs no torch.

The files ship with the code (`detector.base.resources` finds them), and are trusted.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from detector.architectures import ARCHITECTURES
from detector.base.errors import DetectorError
from detector.base.resources import REFERENCE_DATA, data_directory
from detector.graph.file_sizes import FileSize, Overhead, parse_file_sizes
from detector.graph.ir import Graph
from detector.graph.modules import Reference, parse_modules
from detector.graph.text import parse_graph

DEFAULT_DIRECTORY = data_directory() / REFERENCE_DATA
FILE_SIZES = "file_sizes.json"
_Parsed = TypeVar("_Parsed")


@functools.cache
def reference_graph(architecture_name: str, directory: Path = DEFAULT_DIRECTORY) -> Graph:
    """The canonical graph of an architecture; `DetectorError` if there is none or it is damaged."""
    return _read(directory / f"{architecture_name}.graph", parse_graph)


@functools.cache
def load_reference(architecture_name: str, directory: Path = DEFAULT_DIRECTORY) -> Reference:
    """Graph and module tree of an architecture; `DetectorError` if they are missing or damaged."""
    modules = _read(directory / f"{architecture_name}.modules", parse_modules)
    return Reference(reference_graph(architecture_name, directory), modules)


def load_references(directory: Path = DEFAULT_DIRECTORY) -> dict[str, Reference]:
    """The references of all known architectures by name (a tenth of a second)."""
    return {name: load_reference(name, directory) for name in ARCHITECTURES}


@functools.cache
def reference_file_sizes(
    directory: Path = DEFAULT_DIRECTORY,
) -> tuple[Mapping[str, FileSize], Mapping[str, Overhead]]:
    """File sizes by architecture, overhead by "<format> <content>"; `DetectorError` if missing or damaged."""
    sizes, overhead = _read(directory / FILE_SIZES, parse_file_sizes)
    return MappingProxyType(sizes), MappingProxyType(overhead)


def _read(path: Path, parse: Callable[[str], _Parsed]) -> _Parsed:
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DetectorError(
            f"reference data cannot be read: {error}",
            where=path,
            expected="the file as `make reference` writes it",
            next_step="restore reference_data from the repository",
        ) from error
