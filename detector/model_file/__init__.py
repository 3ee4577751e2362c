"""From untrusted bytes to a clean network: parse to inert records, audit, rebuild. Nothing in a file is ever run.

`read_model` needs no torch; `rebuild` loads it when it is called.
"""

from detector.model_file.limits import Limits
from detector.model_file.reading import parse_model, read_model
from detector.model_file.rebuild import rebuild
from detector.model_file.records import ContentKind, FileFormat, ModelRecord, ModuleRecord, PlainValue

__all__ = [
    "ContentKind",
    "FileFormat",
    "Limits",
    "ModelRecord",
    "ModuleRecord",
    "PlainValue",
    "parse_model",
    "read_model",
    "rebuild",
]
