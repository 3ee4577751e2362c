"""How large the model file of each architecture should be: NIST's figures and the size computed from the graph.

A model file is its tensors plus what torch writes around them. The tensors are exact: `base_bytes + bytes_per_class x
N`. The rest, the overhead, grows with the number of tensors and of modules; its bounds below were measured on files
of torch 1.7 and 2.13 of many architectures (per item: zip 240-275, legacy 165-350 with the class sources that it
carries; a state dict: zip 305-365, legacy 160-215), agree with NIST's Round 1 centroids (torch 1.2, legacy: 170-200),
and are widened by a quarter or more for versions that were not measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from detector.architectures import Architecture
from detector.graph.modules import Reference
from detector.graph.tensors import state_bytes, tensor_shapes

FORMAT_VERSION = 1
_NOTE = (
    "nist_centroids: mean file size in MB (1e6 bytes) by round (2: Round 2 and later) from NIST's reference "
    "implementation; no standard deviations were published. Tensors take base_bytes + bytes_per_class x N; a file "
    "adds between low_per_item x items and high_per_item x items + fixed_bytes, where items counts tensors, and "
    "modules too if the whole module was saved."
)


@dataclass(frozen=True)
class Overhead:
    """Bounds on what torch writes around the tensors, in bytes."""

    low_per_item: int
    high_per_item: int
    fixed_bytes: int

    def bounds(self, items: int) -> tuple[int, int]:
        """Least and most bytes for a file of so many tensors and modules."""
        return self.low_per_item * items, self.high_per_item * items + self.fixed_bytes


OVERHEAD: Mapping[str, Overhead] = {  # "<format> <content>" as in `FileFormat` and `ContentKind`
    "zip module": Overhead(180, 350, 8_192),
    "legacy module": Overhead(120, 300, 65_536),  # the class sources are up to 40 kB
    "zip state_dict": Overhead(220, 460, 8_192),
    "legacy state_dict": Overhead(110, 280, 8_192),
    "safetensors state_dict": Overhead(60, 220, 8_192),
}


@dataclass(frozen=True)
class FileSize:
    """The size of one architecture's files, as a function of the number of classes."""

    nist_centroids: Mapping[str, float]
    base_bytes: int
    bytes_per_class: int
    tensors: int
    modules: int

    def tensor_bytes(self, num_classes: int) -> int:
        """Bytes of all parameters and buffers."""
        return self.base_bytes + self.bytes_per_class * num_classes


def compute_file_size(architecture: Architecture, reference: Reference) -> FileSize:
    """The row of an architecture: its graph says what the tensors take, its tree how many modules there are."""
    base, one = (state_bytes(reference.graph, num_classes) for num_classes in (0, 1))
    num_tensors = len(tensor_shapes(reference.graph))
    return FileSize(dict(architecture.nist_sizes), base, one - base, num_tensors, len(reference.modules))


def format_file_sizes(sizes: Mapping[str, FileSize]) -> str:
    """The text of `reference_data/file_sizes.json`."""
    document = {
        "format": FORMAT_VERSION,
        "note": _NOTE,
        "overhead": {key: asdict(overhead) for key, overhead in OVERHEAD.items()},
        "architectures": {name: asdict(size) for name, size in sizes.items()},
    }
    return json.dumps(document, indent=2) + "\n"


def parse_file_sizes(text: str) -> tuple[dict[str, FileSize], dict[str, Overhead]]:
    """The sizes by architecture and the overhead by format and content; `ValueError` for another format."""
    document = json.loads(text)
    if document.get("format") != FORMAT_VERSION:
        raise ValueError(f"not a table of file sizes of format {FORMAT_VERSION}")
    sizes = {name: FileSize(**row) for name, row in document["architectures"].items()}
    return sizes, {key: Overhead(**row) for key, row in document["overhead"].items()}
