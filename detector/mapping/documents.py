"""JSON documents read strictly: whoever edits learned parameters by hand is told of every slip, not guessed at.

Files are data, never code, and may be hostile: size is capped before reading, repeated keys and numbers that JSON
does not know are refused, and a JSON Schema shipped with the package says what may be in them.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jsonschema import Draft202012Validator

from detector.base.errors import ParametersError, UnreadableFileError
from detector.base.json_schema import make_validator
from detector.base.limits import LIMITS
from detector.base.strict_json import read_json
from detector.pruning.theta import theta_schema

Document = dict[str, Any]


def read_document(path: Path, schema: str, older: Mapping[int, str] = MappingProxyType({})) -> Document:
    """The JSON object in the file, valid against the schema file of that name in this package.

    A document whose `format_version` is one of the `older` ones is checked against the schema of its own.

    Raises
    ------
    ParametersError
        The file is missing, too big, not UTF-8, not strict JSON, or breaks the schema.
    """
    try:
        document = read_json(path, LIMITS.texts.learned_parameters)
    except UnreadableFileError as error:
        raise invalid(path, error.what, "a few kilobytes of JSON in a regular file") from error
    except ValueError as error:
        raise invalid(
            path, f"not strict JSON: {error}", "UTF-8 JSON with finite numbers and no repeated keys"
        ) from error
    version = document.get("format_version") if isinstance(document, dict) else None
    return check_document(document, older.get(version, schema) if type(version) is int else schema, path)


def check_document(document: Any, schema: str, where: object) -> Document:
    """The document itself, if it is valid against the schema; if not, a ParametersError that names it `where`."""
    error = next(_validator(schema).iter_errors(document), None)  # the first alone: a bad file may have a million
    if error is not None:
        raise invalid(where, f"{error.json_path}: {error.message}", f"what {schema} allows")
    checked: Document = document
    return checked


def invalid(where: object, what: str, expected: str) -> ParametersError:
    """The error for learned parameters that cannot be used."""
    next_step = "restore the file from its source, or run `configure` to write the bundle anew"
    return ParametersError(what, where=where, expected=expected, next_step=next_step)


@functools.cache
def _shipped(schema: str) -> Document:
    document: Document = json.loads(Path(__file__).with_name(schema).read_text(encoding="utf-8"))
    return document


def _validator(schema: str) -> Draft202012Validator:
    document = _shipped(schema)
    if "theta" in document.get("$defs", {}):  # of the pruning methods that are registered now
        document = document | {"$defs": document["$defs"] | {"theta": theta_schema()}}
    return make_validator(document)
