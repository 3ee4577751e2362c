"""From untrusted bytes to inert records: parsed, audited, never run. Nothing here needs torch."""

from detector.model_file.limits import Limits
from detector.model_file.reading import parse_model, read_model
from detector.model_file.records import ContentKind, FileFormat, ModelRecord, ModuleRecord, PlainValue
from detector.model_file.source import SavedModel

__all__ = [
    "ContentKind",
    "FileFormat",
    "Limits",
    "ModelRecord",
    "ModuleRecord",
    "PlainValue",
    "SavedModel",
    "parse_model",
    "read_model",
]
