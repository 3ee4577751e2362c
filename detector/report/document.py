"""report.json: the report as JSON for machines, with the verdict in words, checked against `report.schema.json`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from detector.base.errors import UnreadableFileError, UsageError
from detector.base.files import write_file
from detector.base.findings import Json
from detector.base.json_schema import make_validator
from detector.base.limits import LIMITS
from detector.base.strict_json import read_json
from detector.mapping.port import MAPPINGS
from detector.pruning.theta import Theta, theta_schema, theta_to_document
from detector.report.explanation import explanation
from detector.report.report import Report
from detector.signals.registry import SIGNALS

FORMAT_VERSION = 4

Document = dict[str, Json]


def write_report(path: Path, report: Report) -> None:
    """Write the report as JSON, atomically, after checking it against `report.schema.json`.

    Raises
    ------
    UsageError
        The file cannot be written there.
    jsonschema.ValidationError
        The report breaks its schema: a fault of the program.
    """
    document = to_document(report)
    _validator().validate(document)
    write_file(path, (json.dumps(document, indent=2, allow_nan=False) + "\n").encode())


def to_document(report: Report) -> Document:
    """The JSON form; numbers that JSON does not know become text."""
    told = {"format_version": FORMAT_VERSION, "verdict": to_plain(explanation(report))}
    return told | {f.name: to_plain(getattr(report, f.name)) for f in fields(report)}


def read_report(path: Path) -> Document:
    """What `write_report` wrote.

    Raises
    ------
    UsageError
        The file cannot be read, or is no report of this version.
    """
    try:
        document = read_json(path, LIMITS.texts.report)
        error = next(_validator().iter_errors(document), None)
        if error is not None:
            raise ValueError(f"{error.json_path}: {error.message}")
    except UnreadableFileError as error:
        raise _no_report(path, error.what) from error
    except ValueError as error:
        raise _no_report(path, str(error)) from error
    checked: Document = document
    return checked


def _no_report(path: Path, what: str) -> UsageError:
    return UsageError(
        what,
        where=path,
        expected=f"a report.json of format {FORMAT_VERSION}, as `infer` writes it into the scratch folder",
        next_step="judge the model again with this version",
    )


def to_plain(value: Any) -> Json:
    """Dataclasses, enums, mappings and tuples as plain JSON values."""
    if isinstance(value, Theta):
        return to_plain(theta_to_document(value))
    if is_dataclass(value):
        return {f.name: to_plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, Enum):
        return to_plain(value.value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    plain: Json = value
    return plain


def _validator() -> Draft202012Validator:
    schema = json.loads(Path(__file__).with_name("report.schema.json").read_text(encoding="utf-8"))
    schema["$defs"]["theta"] = theta_schema()  # of the methods that are registered now, as the signals and mappings
    schema["$defs"]["signal"] = {"enum": list(SIGNALS.names())}
    schema["$defs"]["mapping"]["properties"]["kind"] = {"enum": list(MAPPINGS.names())}
    return make_validator(schema)
