"""A model on its way to be used: parsed to inert records, and checked against the references.

A detection, a sweep and an inspection all begin with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike

from detector.base.findings import Finding
from detector.graph.reference import load_references
from detector.model_file.reading import read_model
from detector.model_file.records import ModelRecord
from detector.model_file.source import SavedModel
from detector.quality.check import check_model
from detector.quality.structure import Identification
from detector.sandbox.sandbox import Sandbox


@dataclass(frozen=True)
class CheckedModel:
    """What is in a file, what it was found to be, and the findings of quality assurance in order."""

    record: ModelRecord
    identification: Identification
    findings: tuple[Finding, ...]

    @classmethod
    def read(cls, source: str | PathLike[str] | SavedModel, sandbox: Sandbox | None = None) -> CheckedModel:
        """Parse (in the sandbox, if there is one), audit and check a file; ModelRefusedError as of `read_model` and
        `check_model`.
        """
        return cls.of(read_model(source, sandbox=sandbox))

    @classmethod
    def of(cls, record: ModelRecord) -> CheckedModel:
        """Check what has been parsed already; raises CorruptModelError as `check_model` does."""
        quality = check_model(record, load_references())
        return cls(record, quality.identification, quality.findings)

    @property
    def architecture(self) -> str | None:
        """The name of the architecture that it is; None where it is none that is known, or was tampered with."""
        found = self.identification.architecture
        return None if found is None else found.name
