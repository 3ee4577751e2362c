"""Checks against the JSON Schemas that ship with the code, quick enough for long lists of numbers.

jsonschema looks a reference up anew for every value, and takes an array number by number: for learned parameters that
took longer than all else that is done with them. What is valid, and what is said of what is not, stays the same.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator, ValidationError, validators

Document = dict[str, Any]

_REFERENCE = "#/$defs/"
_OF_NUMBERS = {"type", "minimum", "maximum"}


def make_validator(schema: Mapping[str, Any]) -> Draft202012Validator:
    """Of a schema of draft 2020-12 whose references are to its own `$defs`, which do not refer to themselves."""
    made: Draft202012Validator = _validator_class()(resolved(schema))
    return made


def resolved(schema: Mapping[str, Any]) -> Document:
    """The schema with each reference replaced by what it refers to.

    Raises
    ------
    ValueError
        A reference is to something else, or stands beside a rule: a description may stand there.
    """
    definitions = schema.get("$defs", {})
    return {key: _resolved(value, definitions) for key, value in schema.items() if key != "$defs"}


def _resolved(part: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(part, list):
        return [_resolved(one, definitions) for one in part]
    if not isinstance(part, dict):
        return part
    if "$ref" not in part:
        return {key: _resolved(value, definitions) for key, value in part.items()}
    name = part["$ref"].removeprefix(_REFERENCE)
    if part.keys() - {"$ref", "description"} or name not in definitions:
        raise ValueError(f"expected a reference to one of $defs, with a description at most, got {part}")
    return _resolved(definitions[name], definitions)


@functools.cache
def _validator_class() -> Any:
    return validators.extend(Draft202012Validator, {"items": _items})  # type: ignore[no-untyped-call]


def _items(validator: Any, rule: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """The keyword `items`: at once where all are plain numbers within bounds, else by the library."""
    if isinstance(rule, dict) and rule.get("type") == "number" and rule.keys() <= _OF_NUMBERS | {"description"}:
        low, high = rule.get("minimum", -float("inf")), rule.get("maximum", float("inf"))
        if isinstance(instance, list) and all(type(one) in (int, float) and low <= one <= high for one in instance):
            return
    yield from Draft202012Validator.VALIDATORS["items"](validator, rule, instance, schema) or ()
