"""The module tree of an architecture as torchvision saves it: which class sits where, with which attributes.

A graph says what is computed; a saved file says which modules compute it. `reference_data/<architecture>.modules` is
the tree that a whole-module file is compared with, one module a line in the order of `network.modules()`. The text is
ours and trusted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from detector.graph.ir import Attribute, Graph
from detector.graph.text import format_attributes, parse_attributes

FORMAT_VERSION = 1
_COLUMNS = "# path class attributes"
_ROOT = "-"
_WIDTHS = (40, 41)


@dataclass(frozen=True)
class ReferenceModule:
    """One module: its path ("" for the root), its kind, and the attributes that its forward pass depends on.

    `kind` is the class as `class_kind` names it; `CLASSES` stands for the number of classes.
    """

    path: str
    kind: str
    attributes: Mapping[str, Attribute | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Reference:
    """All that is known of an architecture's structure: what it computes and the modules that compute it."""

    graph: Graph
    modules: tuple[ReferenceModule, ...]


def class_kind(module: str, name: str) -> str:
    """The full name of a class, with torch's own layers under their public name: `torch.nn.Conv2d`."""
    return f"torch.nn.{name}" if module.startswith("torch.nn.modules.") else f"{module}.{name}"


def format_modules(modules: Iterable[ReferenceModule]) -> str:
    """The text of a module tree, ending in a newline; `ValueError` if a value cannot be written."""
    return "\n".join([f"module tree, format {FORMAT_VERSION}", _COLUMNS, *map(_format_module, modules)]) + "\n"


def parse_modules(text: str) -> tuple[ReferenceModule, ...]:
    """The tree that `format_modules` wrote; `ValueError` if the text is none."""
    title, columns, *lines = [*text.splitlines(), "", ""]
    if title != f"module tree, format {FORMAT_VERSION}" or columns != _COLUMNS:
        raise ValueError(f"not a module tree of format {FORMAT_VERSION}: {title!r}")
    return tuple(_parse_module(line) for line in lines if line)


def _format_module(module: ReferenceModule) -> str:
    cells = (module.path or _ROOT, module.kind, format_attributes(module.attributes))
    return " ".join(cell.ljust(width) for cell, width in zip(cells, (*_WIDTHS, 0), strict=True)).rstrip()


def _parse_module(line: str) -> ReferenceModule:
    path, kind, *attributes = line.split()
    return ReferenceModule("" if path == _ROOT else path, kind, parse_attributes(attributes))
