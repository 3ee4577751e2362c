"""Metaparameters: the shipped files obey NIST's checker, and nothing invalid gets through."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from detector.base.errors import ExitCode, ParametersError
from detector.commands.settings import load_settings, metaparameters_with_bundle
from detector.pruning.theta import LayerRange, PruningMethod
from detector.rounds.preprocessing import PROFILES
from detector.signals.features import Reduction
from detector.signals.registry import without_probes

HOME = Path(__file__).resolve().parents[2]
SHIPPED = HOME / "metaparameters.json"
SCHEMA = HOME / "metaparameters_schema.json"
TECHNIQUE_TYPES = {"weight analysis", "trigger inversion", "attribution analysis", "jacobian inspection", "other"}


def nist_issues(schema: dict[str, Any], config: dict[str, Any]) -> list[str]:
    """What NIST's jsonschema checker and header check would object to, written after their description."""
    issues = [f"missing {key}" for key in ("$schema", "title") if key not in schema]
    texts = ("technique", "technique_description", "technique_changes", "commit_id", "repo_name")
    issues += [f"missing or empty {key}" for key in texts if not schema.get(key)]
    types = schema.get("technique_type")
    if not isinstance(types, list) or not types or not {t.lower() for t in types} <= TECHNIQUE_TYPES:
        issues.append("technique_type")
    if schema.get("additionalProperties") is not False or set(schema["required"]) != set(schema["properties"]):
        issues.append("not closed, or not every key required")
    if set(schema["properties"]) != set(config):
        issues.append("keys of schema and config differ")
    for name, rule in schema["properties"].items():
        if rule["type"] == "string" and not rule.get("enum"):
            issues.append(f"{name}: string without enum")
        if rule["type"] in ("number", "integer") and not {"minimum", "maximum"} <= set(rule):
            issues.append(f"{name}: number without bounds")
        if rule["type"] not in ("string", "number", "integer", "boolean"):
            issues.append(f"{name}: type {rule['type']}")
    return issues


def test_shipped_metaparameters_have_no_issue_for_nists_checker() -> None:
    schema = json.loads(SCHEMA.read_text())
    assert nist_issues(schema, json.loads(SHIPPED.read_text())) == []
    assert schema["title"].startswith("Pruning")
    assert "trojai-example" not in schema["repo_name"]


def test_checker_of_this_test_finds_issues() -> None:
    schema = json.loads(SCHEMA.read_text())
    del schema["properties"]["infer_bundle"]["enum"]
    del schema["properties"]["infer_max_seconds"]["maximum"]
    schema["technique_type"] = ["Magic"]
    assert len(nist_issues(schema, json.loads(SHIPPED.read_text()))) == 3


def test_shipped_settings_are_the_documented_defaults() -> None:
    settings = load_settings(SHIPPED, SCHEMA)
    assert settings.max_seconds == 60
    assert settings.preprocessing is None
    assert settings.threads == 0


def test_every_word_of_the_program_can_be_chosen() -> None:
    rules = json.loads(SCHEMA.read_text())["properties"]
    assert rules["train_pruning_method"]["enum"] == list(PruningMethod)
    assert rules["train_layers"]["enum"] == list(LayerRange)
    assert rules["train_reduction"]["enum"] == list(Reduction)
    assert rules["train_preprocessing"]["enum"] == [*(p for p in PROFILES)]
    assert rules["infer_preprocessing"]["enum"] == ["learned", *PROFILES]
    assert {f"train_signal_{signal}" for signal in without_probes()} == {name for name in rules if "_signal_" in name}


def test_naming_another_bundle_changes_nothing_else(tmp_path: Path) -> None:
    config = tmp_path / "metaparameters.json"
    config.write_bytes(metaparameters_with_bundle(SHIPPED, SCHEMA, "configured"))
    assert json.loads(config.read_text()) == json.loads(SHIPPED.read_text()) | {"infer_bundle": "configured"}
    with pytest.raises(ParametersError, match="infer_bundle"):
        metaparameters_with_bundle(SHIPPED, SCHEMA, "nobody's")


def test_any_name_of_a_bundle_will_do_but_nothing_that_is_none() -> None:
    assert load_settings(SHIPPED, SCHEMA, [("infer_bundle", "mine-2")]).bundle == "mine-2"
    with pytest.raises(ParametersError, match="infer_bundle"):
        load_settings(SHIPPED, SCHEMA, [("infer_bundle", "no/name")])


def test_settings_can_be_changed_one_by_one() -> None:
    changes = [("infer_max_seconds", "300"), ("infer_save_logits", "false"), ("infer_preprocessing", "small")]
    settings = load_settings(SHIPPED, SCHEMA, changes)
    assert (settings.max_seconds, settings.save_logits, settings.preprocessing) == (300.0, False, "small")
    assert settings.metaparameters == {
        key: value for key, value in (json.loads(SHIPPED.read_text()) | {
            "infer_max_seconds": 300.0, "infer_save_logits": False, "infer_preprocessing": "small"
        }).items() if key.startswith("infer_")
    }  # fmt: skip


@pytest.mark.parametrize("change", [("infer_threads", "many"), ("infer_threads", ""), ("nothing_like_it", "1")])
def test_changes_obey_the_schema(change: tuple[str, str]) -> None:
    with pytest.raises(ParametersError, match=change[0]):
        load_settings(SHIPPED, SCHEMA, [change])


def test_every_enumerated_bundle_ships() -> None:
    schema = json.loads(SCHEMA.read_text())
    for bundle in schema["properties"]["infer_bundle"]["enum"]:
        assert (HOME / "learned_params" / bundle / "bundle.json").is_file(), bundle


@pytest.mark.parametrize(
    "change",
    [
        {"infer_max_seconds": 0},
        {"infer_max_seconds": "60"},
        {"infer_bundle": "../../etc"},
        {"infer_tampered_probability": 1.5},
        {"infer_threads": 1.5},
        {"infer_save_logits": "yes"},
        {"another_key": 1},
    ],
)
def test_values_out_of_range_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    config = tmp_path / "metaparameters.json"
    config.write_text(json.dumps(json.loads(SHIPPED.read_text()) | change))
    with pytest.raises(ParametersError) as caught:
        load_settings(config, SCHEMA)
    assert caught.value.exit_code is ExitCode.PARAMETERS_INVALID
    assert next(iter(change)) in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"infer_threads": NaN}', "\xff", "[" * 100_000])
def test_broken_files_are_refused(tmp_path: Path, text: str) -> None:
    config = tmp_path / "metaparameters.json"
    config.write_bytes(text.encode("latin-1"))
    with pytest.raises(ParametersError):
        load_settings(config, SCHEMA)
    with pytest.raises(ParametersError):
        load_settings(SHIPPED, config)


def test_missing_key_and_missing_file_are_refused(tmp_path: Path) -> None:
    config = tmp_path / "metaparameters.json"
    with pytest.raises(ParametersError, match="cannot be read"):
        load_settings(config, SCHEMA)
    values = json.loads(SHIPPED.read_text())
    del values["infer_bundle"]
    config.write_text(json.dumps(values))
    with pytest.raises(ParametersError, match="infer_bundle"):
        load_settings(config, SCHEMA)
    open_schema = tmp_path / "schema.json"
    open_schema.write_text("{}")
    with pytest.raises(ParametersError, match="infer_bundle"):
        load_settings(config, open_schema)


@pytest.mark.hostile
@pytest.mark.parametrize("kind", ["fifo", "device", "sparse", "repeated key", "too large a number"])
def test_files_made_to_harm_are_refused_at_once(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "metaparameters.json"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "sparse":
        path.touch()
        os.truncate(path, 3 * 2**30)
    else:
        path.write_text('{"a": 1, "a": 2}' if kind == "repeated key" else '{"a": 1e999}')
    for pair in ((path, SCHEMA), (SHIPPED, path)):
        with pytest.raises(ParametersError, match="cannot be read as JSON"):
            load_settings(*pair)


def _with_own_schema(tmp_path: Path, rule: object, value: object = 0.95) -> tuple[Path, Path]:
    """The shipped metaparameters with one value changed, and a schema that has one rule for it."""
    values, schema = tmp_path / "metaparameters.json", tmp_path / "schema.json"
    values.write_text(json.dumps(json.loads(SHIPPED.read_text()) | {"infer_tampered_probability": value}))
    schema.write_text(json.dumps({"properties": {"infer_tampered_probability": rule}}))
    return values, schema


@pytest.mark.hostile
@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ({"multipleOf": 10**400}, 0.95),
        ({"multipleOf": 10**400}, 1),
        ({"multipleOf": 0}, 1),
        ({"pattern": "("}, "text"),
        ({"pattern": "(?P<a>x)(?P<a>y)"}, "text"),
        ({"patternProperties": {"[": {}}}, {"a": 1}),
        ({"$ref": "http://["}, 1),
        ({"$dynamicRef": "#nowhere"}, 1),
        ({"$ref": 7}, 1),
        ({"enum": 3}, 1),
        (3, 1),
        ({"type": "string"}, 10**4000),
    ],
)
def test_a_rule_that_cannot_be_followed_is_told(rule: object, value: object, tmp_path: Path) -> None:
    with pytest.raises(ParametersError) as caught:
        load_settings(*_with_own_schema(tmp_path, rule, value))
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize(
    ("rule", "value"), [({"multipleOf": 5e-324}, 1e300), ({"$id": "http://["}, 1), ({"$ref": "#"}, 1)]
)
def test_a_strange_rule_that_can_be_followed_is(rule: object, value: float, tmp_path: Path) -> None:
    assert load_settings(*_with_own_schema(tmp_path, rule, value)).tampered_probability == value


@pytest.mark.hostile
@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|aa)+$", "(a*)*b"])
def test_a_pattern_without_end_is_ended(pattern: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.commands.settings._MOST_SECONDS", 0.3)
    with pytest.raises(ParametersError, match="more than"):
        load_settings(*_with_own_schema(tmp_path, {"pattern": pattern}, "a" * 60 + "!"))


@pytest.mark.hostile
@pytest.mark.parametrize("name", ["infer_max_seconds", "infer_tampered_probability", "infer_threads"])
@pytest.mark.parametrize("text", ["Infinity", "-Infinity", "NaN", "1e999", "-1e999", "1" + "0" * 400, "1" + "0" * 5000])
def test_numbers_that_no_float_holds_are_refused_whatever_the_schema(name: str, text: str, tmp_path: Path) -> None:
    values, schema = _with_own_schema(tmp_path, True)
    held = json.loads(values.read_text()) | {name: "HERE"}
    values.write_text(json.dumps(held).replace('"HERE"', text))
    with pytest.raises(ParametersError):
        load_settings(values, schema)
    schema.write_text(schema.read_text().replace("true", f'{{"minimum": {text}}}'))
    with pytest.raises(ParametersError):
        load_settings(SHIPPED, schema)


@pytest.mark.parametrize("threads", [-1, 4097, 1e308])
def test_threads_that_no_machine_has_are_refused(threads: float, tmp_path: Path) -> None:
    values, schema = _with_own_schema(tmp_path, True)
    values.write_text(json.dumps(json.loads(values.read_text()) | {"infer_threads": threads}))
    with pytest.raises(ParametersError, match="threads"):
        load_settings(values, schema)


@pytest.mark.parametrize(
    ("change", "where", "words"),
    [
        (("infer_max_seconds", "1"), "--set infer_max_seconds", "number from 8 to 3600"),
        (("infer_preprocessing", "upside_down"), "--set infer_preprocessing", "imagenet"),
        (("infer_threads", "many"), "--set infer_threads", "integer from 0 to 256"),
        (("infer_max_second", "60"), "--set", "did you mean infer_max_seconds?"),
        (("colour", "red"), "--set", "metaparameters_schema.json describes each"),
    ],
)
def test_what_set_breaks_is_told_of_it_and_not_of_the_file(change: tuple[str, str], where: str, words: str) -> None:
    with pytest.raises(ParametersError) as caught:
        load_settings(SHIPPED, SCHEMA, [change])
    assert caught.value.where == where
    assert words in str(caught.value)
    assert str(SHIPPED) not in str(caught.value)


def test_what_the_file_breaks_is_told_of_the_file_and_may_be_mended_by_set(tmp_path: Path) -> None:
    config = tmp_path / "metaparameters.json"
    config.write_text(json.dumps(json.loads(SHIPPED.read_text()) | {"infer_max_seconds": 1}))
    with pytest.raises(ParametersError) as caught:
        load_settings(config, SCHEMA, [("infer_threads", "2")])
    assert caught.value.where == str(config)
    assert load_settings(config, SCHEMA, [("infer_max_seconds", "60")]).max_seconds == 60
