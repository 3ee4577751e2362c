"""Quality assurance of a model file in one call: structure, size, weights.

It reads inert records only: no torch, no execution. Whether the network classifies its examples is judged later, by
`clean_accuracy_finding`, when they have been measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from detector.base.findings import Finding
from detector.graph.modules import Reference
from detector.graph.reference import reference_file_sizes
from detector.model_file.records import ModelRecord
from detector.quality.harmless import Judged, harmless_findings, without_harmless
from detector.quality.size import file_size_finding
from detector.quality.structure import Identification, identify, structure_findings
from detector.quality.weights import check_number_types, weight_findings


@dataclass(frozen=True)
class QualityReport:
    """The architecture, where it could be told, and all findings in the order of the checks."""

    identification: Identification
    findings: tuple[Finding, ...]

    @property
    def tampered(self) -> bool:
        """The paper's verdict: a known architecture whose graph was changed."""
        return self.identification.tampered


def check_model(record: ModelRecord, references: Mapping[str, Reference]) -> QualityReport:
    """Check a parsed model file against the references (`load_references`).

    Raises
    ------
    CorruptModelError
        If it is one of the architectures, but a parameter is not made of floating-point numbers: what runs the
        network takes all of it or nothing.
    """
    judged = without_harmless(record, identify(record, references))
    if (architecture := judged.identification.architecture) is not None:
        check_number_types(record.tensors, architecture.name)
    return QualityReport(judged.identification, tuple(_findings(record, judged)))


def _findings(record: ModelRecord, judged: Judged) -> Iterator[Finding]:
    identification = judged.identification
    yield from structure_findings(record, identification)
    architecture, num_classes = identification.architecture, identification.num_classes
    if architecture is not None and num_classes is not None:
        yield file_size_finding(record, architecture, num_classes, *reference_file_sizes(), judged.idle)
    yield from harmless_findings(record, judged)
    yield from weight_findings(record.tensors)
