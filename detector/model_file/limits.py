"""How much a model file may ask for: the ceiling of every resource that reading one spends, a reason each.

The defaults leave at least three times what the largest of the known architectures needs (DenseNet-201 and
Wide ResNet-101 in the legacy format), and keep the memory beside the file's own bytes to a few hundred MB.
"""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Limits:
    """Ceilings for one model file; each is a positive int, checked at construction (`ValueError`)."""

    file_bytes: int = 2 << 30  # the whole file is held in memory; VGG-19 with an optimiser's two states has 1.7 GB
    members: int = 20_000  # entries of a zip archive: one for each storage, of DenseNet-201 with Adam's state 4 000
    pickle_bytes: int = 16 << 20  # one pickle: they hold names and shapes, 1 MB for the largest network
    opcodes: int = 1_000_000  # work of one pickle: an instruction and each object that it moves count one
    stack: int = 100_000  # objects on the pickle's stack at a time: networks nest, lists are filled in batches
    memo: int = 250_000  # objects that the pickle can refer back to
    arguments: int = 64  # of one call: torch's own take 8, a path as many as it has folders
    string_bytes: int = 1 << 20  # one string; legacy files carry the sources of classes, up to 40 kB
    integer_bytes: int = 16  # one integer: sizes and seeds fit 8
    header_bytes: int = 8 << 20  # the JSON at the head of a safetensors file: 100 bytes a tensor
    nesting: int = 32  # depth of modules and of attribute values: both are walked by recursion
    modules: int = 10_000  # of all networks in the file together
    tensors: int = 10_000  # of one network
    values: int = 200_000  # attribute values visited over all modules, as often as they are referred to
    text: int = 4 << 20  # characters of texts among them, as often as they are referred to: none needs a thousand

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if type(value) is not int or value < 1:
                raise ValueError(f"expected {field.name} to be a positive int, got {value!r}")
