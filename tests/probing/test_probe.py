"""Probes as data: what is stored, what is refused, and a kind that is added by a single object."""

from __future__ import annotations

import json
from types import MappingProxyType

import jsonschema
import numpy as np
import pytest

from detector.base.errors import ParametersError
from detector.probing import kinds
from detector.probing import probe as probe_module
from detector.probing.kind import Family, Number, ProbeKind
from detector.probing.kinds import KINDS, kind_named
from detector.probing.probe import Probe, schema

RED = Probe.make("polygon", red=255, sides=3)
DOCUMENT = RED.to_document()


def test_what_is_not_given_has_its_default() -> None:
    values = dict(RED.parameters)
    assert values["red"] == 255
    assert values["green"] == 0
    assert values["size"] == 0.15
    assert list(values) == list(KINDS["polygon"].parameters)


def test_equal_probes_are_equal_and_can_be_keys() -> None:
    assert Probe.make("gamma", gamma=2) == Probe.make("gamma", gamma=2.0)
    assert len({Probe.make("gamma", gamma=2), Probe.make("gamma", gamma=2.0), Probe.make("gamma", gamma=3)}) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_probe_survives_json_and_fits_the_schema(kind: str) -> None:
    probe = Probe.make(kind)
    document = json.loads(json.dumps(probe.to_document()))
    jsonschema.validate(document, schema())
    assert Probe.from_document(document) == probe


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"sides": 2}, "a whole number from 3 to 12"),
        ({"sides": 4.0}, "a whole number"),
        ({"sides": True}, "a whole number"),
        ({"size": float("nan")}, "a number from 0.01 to 1"),
        ({"size": "large"}, "a number from 0.01 to 1"),
        ({"colour": 3}, "parameters sides, red"),
    ],
)
def test_values_outside_their_bounds_are_refused(values: dict[str, object], told: str) -> None:
    with pytest.raises(ParametersError, match=told):
        Probe.make("polygon", **values)  # type: ignore[arg-type]


def test_words_that_are_no_choice_are_refused() -> None:
    with pytest.raises(ParametersError, match="gotham, nashville, kelvin, lomo, toaster"):
        Probe.make("photo_filter", filter="sepia")


def test_unknown_kinds_are_an_error_that_lists_the_known_ones() -> None:
    for ask in (kind_named, Probe.make):
        with pytest.raises(ParametersError, match=r"'mirror'.*photo_filter, colour_matrix, gain"):
            ask("mirror")


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "mirror"},
        {"kind": 3},
        {"version": 2},
        {"version": "1"},
        {"parameters": []},
        {"parameters": {"sides": 3}},
        {"parameters": {**dict(RED.parameters), "turn": 1}},
        {"parameters": {**dict(RED.parameters), "red": 256}},
        {"note": "more"},
    ],
)
def test_documents_that_are_no_probe_are_refused(change: dict[str, object]) -> None:
    document = DOCUMENT | change
    with pytest.raises(ParametersError):
        Probe.from_document(document)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema())


def test_a_probe_cannot_be_made_past_the_checks() -> None:
    with pytest.raises(ParametersError):
        Probe("gamma", ())
    with pytest.raises(ParametersError):
        Probe("gamma", (("gamma", 100.0),))
    with pytest.raises(ParametersError):
        Probe("gain", tuple(reversed(Probe.make("gain").parameters)))


def test_series_are_what_differs_in_strength_alone() -> None:
    weak, strong = (Probe.make("photo_filter", filter="lomo", strength=strength) for strength in (0.5, 1.0))
    assert weak.series == strong.series
    assert (weak.strength, strong.strength) == (0.5, 1.0)
    assert weak.series != Probe.make("photo_filter", filter="kelvin", strength=0.5).series
    assert Probe.make("gamma").strength is None


def test_a_kind_is_added_by_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = ProbeKind(
        name="shift",
        version=3,
        family=Family.CONTROL,
        description="lighter by a constant",
        parameters=MappingProxyType({"by": Number(-1, 1, 0.25)}),
        apply=lambda images, values: images + np.float32(values["by"]),
        strength="by",
    )
    for module in (kinds, probe_module):
        monkeypatch.setattr(module, "KINDS", {**KINDS, "shift": toy})
    probe = Probe.make("shift", by=0.4)
    assert Probe.from_document(json.loads(json.dumps(probe.to_document()))) == probe
    jsonschema.validate(probe.to_document(), schema())
    images = np.array([0.0, 1.0], np.float32)[:, None, None, None] * np.ones((2, 3, 4, 4), np.float32)
    np.testing.assert_allclose(probe(images)[:, 0, 0, 0], [0.4, 1.0])
