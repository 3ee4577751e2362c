"""Is the file as large as its architecture makes it? Unaccounted bytes are a hidden payload or a cut file.

Compares with `reference_data/file_sizes.json`: the size computed from the parameters, and NIST's mean sizes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from detector.architectures import Architecture
from detector.base.findings import Finding, Json, Severity
from detector.graph.file_sizes import FileSize, Overhead
from detector.model_file.records import ContentKind, ModelRecord

_MB = 1e6  # as in NIST's tables


def file_size_finding(
    record: ModelRecord,
    architecture: Architecture,
    num_classes: int,
    sizes: Mapping[str, FileSize],
    overheads: Mapping[str, Overhead],
    idle: Collection[str] = (),
) -> Finding:
    """INFO where tensors and format account for every byte of the file, else WARNING.

    `sizes` and `overheads` as `reference_file_sizes` gives them; `idle` names tensors beyond the architecture's. What
    else lies in the file (an optimiser's state) and numbers of another length are accounted for.
    """
    size = sizes[architecture.name]
    tensor_bytes = size.tensor_bytes(num_classes)
    items = size.tensors + (size.modules if record.kind is ContentKind.MODULE else 0)
    overhead = overheads[f"{record.format} {record.kind}"]
    more = record.extra_items + len(idle)
    beside = record.extra_bytes + sum(record.tensors[name].nbytes for name in idle)
    least, most = (tensor_bytes + beside + bound for bound in overhead.bounds(items + more))
    if more or record.set_aside:  # the pickle describes that too, at any length
        least, most = least - overhead.bounds(more)[0], most + record.pickle_bytes + overhead.bounds(2 * more)[1]
    severity = Severity.INFO if least <= record.file_bytes <= most else Severity.WARNING
    evidence: dict[str, Json] = {
        "file_bytes": record.file_bytes,
        "expected_bytes": [least, most],
        "tensor_bytes": tensor_bytes,
        "nist_mean_mb": {f"Round {name}": mean for name, mean in size.nist_centroids.items()},
    }
    return Finding(severity, "file_size", f"{_comparison(record.file_bytes, least, most)}{_nist(size)}", evidence)


def _comparison(found: int, least: int, most: int) -> str:
    if found > most:
        return f"the file has {found - most} bytes more than its architecture and format account for"
    if found < least:
        return f"the file is {least - found} bytes shorter than its tensors and format need"
    return f"the file has {found / _MB:.3f} MB, as computed for its architecture"


def _nist(size: FileSize) -> str:
    if not size.nist_centroids:
        return ""  # an architecture of no TrojAI round
    means = " and ".join(f"{mean} MB (Round {name})" for name, mean in size.nist_centroids.items())
    return f"; NIST's mean: {means}"
