"""How much a model file may ask for: the ceiling of every resource that reading one spends.

The defaults leave at least three times what the largest of the known architectures needs (DenseNet-201 and
Wide ResNet-101 in the legacy format), and keep the memory beside the file's own bytes to a few hundred MB.
"""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Limits:
    """Ceilings for one model file; each is a positive int, checked at construction (`ValueError`).

    `file_bytes` the whole file; `members` entries of a zip archive; `pickle_bytes` one pickle; `opcodes` instructions
    of one pickle (large copies count by their length); `stack`, `memo` its working memory in objects; `string_bytes`
    one string (legacy files carry class sources); `integer_bytes` one integer; `nesting` depth of modules and of
    attribute values; `modules`, `tensors` of the network; `values` attribute values visited over all modules.
    """

    file_bytes: int = 1 << 30
    members: int = 20_000
    pickle_bytes: int = 16 << 20
    opcodes: int = 400_000
    stack: int = 100_000
    memo: int = 250_000
    string_bytes: int = 1 << 20
    integer_bytes: int = 16
    nesting: int = 32
    modules: int = 10_000
    tensors: int = 10_000
    values: int = 200_000

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if type(value) is not int or value < 1:
                raise ValueError(f"expected {field.name} to be a positive int, got {value!r}")
