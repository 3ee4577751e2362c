"""Checks against shipped schemas: what jsonschema itself says, on everything that may be in a list of numbers."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from detector.base.json_schema import make_validator, resolved

HOME = Path(__file__).resolve().parents[2]
SCHEMA = {
    "type": "object",
    "properties": {
        "values": {"$ref": "#/$defs/values", "description": "many"},
        "one": {"oneOf": [{"$ref": "#/$defs/share"}, {"type": "null"}]},
        "free": {"type": "array", "items": {"type": "number"}},
        "whole": {"type": "array", "items": {"type": "integer", "minimum": 0}},
    },
    "$defs": {
        "share": {"type": "number", "minimum": 0, "maximum": 1},
        "values": {"type": "array", "maxItems": 4, "items": {"$ref": "#/$defs/share"}},
    },
}
ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.floats(), st.text(max_size=2), st.lists(st.integers(0, 1))
)


def told(validator: Any, document: object) -> list[tuple[str, str]]:
    return [(error.json_path, error.message) for error in validator.iter_errors(document)]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["values", "one", "free", "whole"]), st.lists(ANYTHING, max_size=6) | ANYTHING))
def test_it_says_what_jsonschema_says(document: dict[str, Any]) -> None:
    assert told(make_validator(SCHEMA), document) == told(Draft202012Validator(SCHEMA), document)


@pytest.mark.parametrize(
    "name", ["report/report", "mapping/learned_parameters", "mapping/learned_parameters_3", "mapping/bundle"]
)
def test_the_shipped_schemas_need_no_references(name: str) -> None:
    schema = json.loads((HOME / "detector" / f"{name}.schema.json").read_text())
    flat = resolved(schema)
    Draft202012Validator.check_schema(flat)
    assert "$ref" not in json.dumps(flat)
    assert {**flat, "$defs": None}.keys() == {**schema, "$defs": None}.keys()


@pytest.mark.parametrize(
    "rule", [{"$ref": "#/$defs/gone"}, {"$ref": "other.json"}, {"$ref": "#/$defs/share", "type": "null"}]
)
def test_other_references_are_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"one of \$defs"):
        resolved(SCHEMA | {"properties": {"values": rule}})


def test_learned_parameters_take_a_quarter_of_the_time() -> None:
    schema = json.loads((HOME / "detector/mapping/learned_parameters.schema.json").read_text())
    document = json.loads((HOME / "learned_params/small/mobilenetv2.json").read_text())
    spent = []
    for validator in (make_validator(schema), Draft202012Validator(schema)):
        times = []
        for _ in range(3):
            start = time.process_time()
            assert told(validator, document) == []
            times.append(time.process_time() - start)
        spent.append(min(times))
    assert spent[0] < spent[1] / 4
