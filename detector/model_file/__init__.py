"""From untrusted bytes to inert records: parsed, audited, never run. Nothing here needs torch."""

from detector.base.limits import ModelFileLimits
from detector.model_file.reading import parse_model, read_model
from detector.model_file.records import ContentKind, FileFormat, ModelRecord, ModuleRecord, PlainValue
from detector.model_file.source import SavedModel

__all__ = [
    "ContentKind",
    "FileFormat",
    "ModelFileLimits",
    "ModelRecord",
    "ModuleRecord",
    "PlainValue",
    "SavedModel",
    "parse_model",
    "read_model",
]
