"""The metaparameters of `infer`, and how any command reads its own.

Read, checked against their JSON Schema, and made into frozen dataclasses.

Both files come from whoever configures the detector, so they are checked, but they are not hostile: the schema that
the caller names decides what is in range, and this module only refuses what it could not act on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import jsonschema
from jsonschema.exceptions import best_match
from referencing import Registry

from detector.base.errors import ParametersError, UnreadableFileError
from detector.base.findings import Json
from detector.base.limits import LIMITS
from detector.base.strict_json import parse_json, read_json
from detector.base.time_limit import TimeLimitError, time_limit
from detector.mapping.bundles import BUNDLE_NAME
from detector.rounds.preprocessing import PROFILES

_MOST_SECONDS = 5.0  # to check the values: the shortest budget that the shipped schema allows has 8
_MOST_THREADS = 4096  # more than any machine has; the system would refuse them, late and one by one
LEARNED = "learned"
_LEARNED_HERE = "configured"  # the bundle that `configure` writes
_Made = TypeVar("_Made")


@dataclass(frozen=True)
class Settings:
    """What metaparameters.json says about `infer`; the schema's descriptions are the documentation of each."""

    bundle: str
    max_seconds: float
    preprocessing: str | None  # None: as recorded with the learned parameters
    save_logits: bool
    tampered_probability: float
    threads: int  # 0: as many as the process may use

    @property
    def metaparameters(self) -> dict[str, Json]:
        """The same by the names that metaparameters.json has."""
        values: dict[str, Json] = {f"infer_{field.name}": getattr(self, field.name) for field in fields(self)}
        return values | {"infer_preprocessing": self.preprocessing or LEARNED}


def load_settings(
    metaparameters_filepath: Path, schema_filepath: Path, changes: Sequence[tuple[str, str]] = ()
) -> Settings:
    """Read the metaparameters, with `changes` of some by name, and check them against the schema.

    Raises
    ------
    ParametersError
        If either file is missing, is not JSON, or the metaparameters break the schema.
    """
    return load_checked(metaparameters_filepath, schema_filepath, _settings, changes)


def metaparameters_with_bundle(
    metaparameters_filepath: Path, schema_filepath: Path, bundle: str, changes: Sequence[tuple[str, str]] = ()
) -> bytes:
    """The content of a metaparameters file like this one, but with that bundle for `infer`; valid by the same schema.

    Raises
    ------
    ParametersError
        As `load_settings`, and if that is no name of a bundle.
    """
    values = _changed_values(metaparameters_filepath, schema_filepath, changes) | {"infer_bundle": bundle}
    _validate(values, _read_json(schema_filepath), metaparameters_filepath, schema_filepath)
    return (json.dumps(values, indent=2) + "\n").encode()


def load_checked(
    metaparameters_filepath: Path,
    schema_filepath: Path,
    make: Callable[[dict[str, Any]], _Made],
    changes: Sequence[tuple[str, str]] = (),
) -> _Made:
    """What `make` makes of the metaparameters, checked against the schema; for a command with settings of its own.

    Raises
    ------
    ParametersError
        As `load_settings`, and where `make` raises KeyError, TypeError, ValueError or OverflowError.
    """
    values = _changed_values(metaparameters_filepath, schema_filepath, changes)
    try:
        return make(values)
    except KeyError as error:
        raise _unusable(metaparameters_filepath, f"metaparameter {error} is missing") from error
    except (TypeError, ValueError, OverflowError) as error:  # a schema of the caller's own let it through
        where = f"{metaparameters_filepath}, and --set" if changes else metaparameters_filepath
        raise _unusable(where, f"a metaparameter cannot be used: {error}") from error


def _changed_values(path: Path, schema_path: Path, changes: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """What the file says, and each change after it, valid by the schema; whoever broke it is named."""
    values, schema = _read_json(path), _read_json(schema_path)
    properties = schema.get("properties")
    known = values.keys() | (properties.keys() if isinstance(properties, dict) else set())
    for key, text in changes:
        if key not in known:
            raise _unknown_key(key, known)
        values = values | {key: _value(text)}
    try:
        _validate(values, schema, path, schema_path)
    except ParametersError as error:
        changed = next((key for key, _ in changes if error.what.startswith(f"$.{key}:")), None)
        if changed is None:
            raise
        raise ParametersError(
            error.what.removeprefix(f"$.{changed}: "),
            where=f"--set {changed}",
            expected=_allowed(changed, schema),
            next_step="correct the value",
        ) from error
    return values


def _unknown_key(key: str, known: Collection[str]) -> ParametersError:
    near = get_close_matches(key, known, 1)
    return ParametersError(
        f"there is no metaparameter {key!r}",
        where="--set",
        expected="a key of metaparameters.json",
        next_step=f"did you mean {near[0]}?" if near else "metaparameters_schema.json describes each",
    )


def _allowed(key: str, schema: dict[str, Any]) -> str:
    """What the schema allows for a key, in words, as far as it is a plain list or range."""
    properties = schema.get("properties")
    rule = properties.get(key) if isinstance(properties, dict) else None
    if not isinstance(rule, dict):
        return "a value that the schema allows"
    if isinstance(rule.get("enum"), list):
        return f"one of {', '.join(map(str, rule['enum']))}"
    if {"type", "minimum", "maximum"} <= rule.keys():
        return f"{rule['type']} from {rule['minimum']} to {rule['maximum']}"
    return str(rule.get("type", "a value that the schema allows"))


def _value(text: str) -> Any:
    """JSON where it is some, else the text itself: 300, true, universal."""
    try:
        return parse_json(text)
    except ValueError:
        return text


def _settings(values: dict[str, Any]) -> Settings:
    preprocessing, threads = values["infer_preprocessing"], int(values["infer_threads"])
    if preprocessing not in (LEARNED, *PROFILES):
        raise ValueError(f"no preprocessing is called {preprocessing!r}")
    if not 0 <= threads <= _MOST_THREADS:
        raise ValueError(f"{threads} threads")
    return Settings(
        bundle=str(values["infer_bundle"]),
        max_seconds=float(values["infer_max_seconds"]),
        preprocessing=None if preprocessing == LEARNED else preprocessing,
        save_logits=bool(values["infer_save_logits"]),
        tampered_probability=float(values["infer_tampered_probability"]),
        threads=threads,
    )


def _unusable(path: Path | str, what: str) -> ParametersError:
    return ParametersError(
        what,
        where=path,
        expected="every key of metaparameters_schema.json as shipped, with a value that it allows",
        next_step="correct it; the shipped metaparameters.json holds a valid set",
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = read_json(path, LIMITS.texts.metaparameters)
        if not isinstance(values, dict):
            raise ValueError("not a JSON object")
        return values
    except UnreadableFileError as error:
        raise _not_json(path, error.what) from error
    except ValueError as error:
        raise _not_json(path, str(error)) from error


def _not_json(path: Path, what: str) -> ParametersError:
    return ParametersError(
        f"cannot be read as JSON: {what}",
        where=path,
        expected="a JSON object in UTF-8",
        next_step="check the path and the file, or leave the option out to use the shipped one",
    )


def _with_any_bundle(schema: dict[str, Any]) -> dict[str, Any]:
    """The list of bundles is what ships, for NIST's checker wants one; whoever has learned another may name it, too.

    A list without `configured` is a caller's own, who wants no learned bundle: it stays closed.
    """
    properties = schema.get("properties")
    rule = properties.get("infer_bundle") if isinstance(properties, dict) else None
    if not isinstance(rule, dict) or _LEARNED_HERE not in (rule.get("enum") or ()):
        return schema
    opened = {key: value for key, value in rule.items() if key != "enum"} | {"pattern": f"^{BUNDLE_NAME}$"}
    return schema | {"properties": {**schema["properties"], "infer_bundle": opened}}


def _validate(values: dict[str, Any], schema: dict[str, Any], values_path: Path, schema_path: Path) -> None:
    try:
        with time_limit(_MOST_SECONDS):
            jsonschema.Draft202012Validator.check_schema(schema)
            # A registry of its own, empty: a schema that refers to another one is not fetched from anywhere.
            opened = _with_any_bundle(schema)
            error = best_match(jsonschema.Draft202012Validator(opened, registry=Registry()).iter_errors(values))
    except TimeLimitError as late:
        raise _no_schema(schema_path, f"it takes more than {_MOST_SECONDS:g} s to check values against it") from late
    except Exception as error:  # a keyword raises whatever comes of its operand: a pattern, a divisor, a reference
        raise _no_schema(schema_path, str(getattr(error, "message", "") or repr(error))) from error
    if error is not None:
        raise ParametersError(
            f"{error.json_path}: {error.message}",
            where=values_path,
            expected=f"values that satisfy {schema_path}",
            next_step="correct the value; the schema describes each",
        )


def _no_schema(path: Path, what: str) -> ParametersError:
    return ParametersError(
        f"is not a valid JSON Schema: {what}",
        where=path,
        expected="JSON Schema, draft 2020-12, in one file, that is quick to check",
        next_step="use the shipped metaparameters_schema.json",
    )
