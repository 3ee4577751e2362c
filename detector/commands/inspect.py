"""What is in a model file, told without building or running anything: no torch is imported, no weight is used.

The file is untrusted; what is shown of it has passed the audit and is printable.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from detector.base.findings import Finding
from detector.measurement.confinement import Confinement, confinement_of_process
from detector.model_file import ModelRecord, SavedModel
from detector.quality.checked_model import CheckedModel
from detector.quality.structure import Deviation
from detector.report.report import ModelSummary
from detector.report.text import finding_lines, model_lines, section


@dataclass(frozen=True)
class Inspection:
    """The contents of a file and what audit and quality assurance say.

    `classes` counts the modules by class as the file names it (empty for a state dict), `parameters` the numbers in
    all tensors.
    """

    model: ModelSummary
    pickle_protocol: int
    data_parallel: bool
    tensors: int
    parameters: int
    classes: dict[str, int]
    notes: tuple[str, ...]
    deviations: tuple[Deviation, ...]
    findings: tuple[Finding, ...]


def inspect_model(source: Path | SavedModel, confinement: Confinement | None = None) -> Inspection:
    """Parse, audit and check a model file: in the sandbox of this process, unless another confinement is given.

    Raises
    ------
    ModelRefusedError
        The file is unsafe or corrupt; the error names the offending entry.
    """
    confinement = confinement or confinement_of_process()
    model = CheckedModel.read(source, confinement.sandbox)
    record, identification = model.record, model.identification
    return Inspection(
        model=ModelSummary.of(source, record, model.architecture, identification.num_classes),
        pickle_protocol=record.pickle_protocol,
        data_parallel=record.data_parallel,
        tensors=len(record.tensors),
        parameters=sum(tensor.size for tensor in record.tensors.values()),
        classes=_classes(record),
        notes=record.notes,
        deviations=identification.deviations,
        findings=(*confinement.findings(), *model.findings),
    )


def _classes(record: ModelRecord) -> dict[str, int]:
    return dict(Counter(f"{module.class_module}.{module.class_name}" for module in record.modules).most_common())


def inspection_text(inspection: Inspection) -> str:
    """The inspection as a page for people."""
    wrapper = ", saved inside DataParallel" if inspection.data_parallel else ""
    contents = [
        f"{inspection.tensors} tensors with {inspection.parameters:,} numbers; "
        f"pickle protocol {inspection.pickle_protocol}{wrapper}",
        *(f"{count:>4} x {name}" for name, count in inspection.classes.items()),
    ]
    sections = {
        "Model": [*model_lines(inspection.model, inspection.findings), f"sha256 {inspection.model.sha256}"],
        "Contents": contents,
        "Notes": list(inspection.notes) or ["none"],
        "Findings": finding_lines(inspection.findings),
        "Structure": _structure_lines(inspection),
    }
    return "\n".join(section(title, lines) for title, lines in sections.items())


def _structure_lines(inspection: Inspection) -> list[str]:
    if inspection.deviations:
        return [str(deviation) for deviation in inspection.deviations]
    name = inspection.model.architecture
    return ["no reference to compare with, see the findings" if name is None else f"no deviation from {name}"]
