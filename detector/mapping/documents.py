"""JSON documents read strictly: whoever edits learned parameters by hand is told of every slip, not guessed at.

Files are data, never code, and may be hostile: size is capped before reading, repeated keys and numbers that JSON
does not know are refused, and a JSON Schema shipped with the package says what may be in them.
"""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from detector.base.errors import ParametersError
from detector.pruning.theta import theta_schema

_MOST_BYTES = 2**20

Document = dict[str, Any]


def read_document(path: Path, schema: str) -> Document:
    """The JSON object in the file, valid against the schema file of that name in this package.

    Raises
    ------
    ParametersError
        The file is missing, too big, not UTF-8, not strict JSON, or breaks the schema.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise invalid(path, f"cannot be read ({error.strerror})", "a readable file") from error
    if len(content) > _MOST_BYTES:
        raise invalid(path, f"more than {_MOST_BYTES} bytes", "a few kilobytes of JSON")
    try:
        document = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_without_repeats,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except (ValueError, RecursionError) as error:  # ValueError: of the decoder, of JSON and of our own hooks
        raise invalid(
            path, f"not strict JSON: {error}", "UTF-8 JSON with finite numbers and no repeated keys"
        ) from error
    return check_document(document, schema, path)


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
    return Draft202012Validator(document)


def _without_repeats(pairs: list[tuple[str, Any]]) -> Document:
    document = dict(pairs)
    if len(document) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(key for key in keys if keys.count(key) > 1)!r} is repeated")
    return document


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large a number")
    return number
