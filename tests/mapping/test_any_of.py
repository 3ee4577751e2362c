"""The mapping `any_of` against its formula, its JSON form, and that it never falls and never extrapolates."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from detector.base.errors import DetectorError
from detector.mapping.any_of import AnyOf, Cause, softplus
from detector.mapping.port import mapping_from_document, mapping_to_document

FIRST = Cause("first", centre=0.1, spread=0.05, low=-2.0, high=10.0, offset=-4.0, slope=1.0)
SECOND = Cause("second", centre=0.4, spread=0.2, low=-3.0, high=5.0, offset=-3.0, slope=0.5)
MAPPING = AnyOf(0.05, (FIRST, SECOND))


def test_it_is_a_noisy_or_of_its_causes() -> None:
    """1 - (1 - p0) (1 - p1) (1 - p2), where 1 - p of a cause is 1 / (1 + exp(offset + slope log(1 + z)))."""
    features = {"first": 0.35, "second": 0.6}
    applied = MAPPING.apply(features)
    spared = math.exp(-0.05) / (1 + math.exp(-4 + math.log(6.0))) / (1 + math.exp(-3 + 0.5 * math.log(2.0)))
    assert applied.probability == pytest.approx(1 - spared, abs=1e-12)
    assert math.fsum((applied.base, *applied.contributions.values())) == pytest.approx(applied.raw, abs=1e-12)


def test_one_reading_is_enough() -> None:
    strong = AnyOf(0.05, (replace(FIRST, slope=3.0), SECOND))
    assert strong.apply({"first": 0.6, "second": -9.0}).probability > 0.95
    assert strong.apply({"first": 0.1, "second": 0.4}).probability < 0.15


@pytest.mark.parametrize("name", ["first", "second"])
def test_it_never_falls(name: str) -> None:
    found = [MAPPING.apply({"first": 0.1, "second": 0.4} | {name: value / 20}).probability for value in range(-40, 60)]
    assert found == sorted(found)


def test_nothing_is_concluded_beyond_what_was_seen() -> None:
    highest = MAPPING.apply({"first": 0.1 + 10 * 0.05, "second": 0.4}).probability
    assert MAPPING.apply({"first": 1e9, "second": 0.4}).probability == pytest.approx(highest, abs=1e-12)


def test_softplus_does_not_overflow() -> None:
    assert softplus(1000.0) == 1000.0
    assert softplus(-1000.0) == 0.0
    assert softplus(0.0) == pytest.approx(math.log(2))


def test_json_form() -> None:
    document = json.loads(json.dumps(mapping_to_document(MAPPING)))
    assert document["name"] == "any_of"
    assert mapping_from_document(document, ["second", "first"]) == MAPPING


@pytest.mark.parametrize(
    "change",
    [
        {"background": -1.0},
        {"background": "0"},
        {"causes": []},
        {"causes": [{"feature": "first"}]},
        {"causes": "none"},
        {"causes": [vars(FIRST), vars(FIRST)]},
        {"causes": [vars(FIRST)]},  # nothing for the other feature
        {"causes": [vars(FIRST), vars(SECOND) | {"slope": -0.1}]},
        {"causes": [vars(FIRST), vars(SECOND) | {"spread": 0.0}]},
        {"causes": [vars(FIRST), vars(SECOND) | {"offset": float("nan")}]},
        {"causes": [vars(FIRST), vars(SECOND) | {"centre": True}]},
        {"more": 1},
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        mapping_from_document(mapping_to_document(MAPPING) | change, ["first", "second"])


@pytest.mark.parametrize("features", [{"first": 0.1}, {"first": 0.1, "second": math.inf}])
def test_features_that_do_not_fit(features: dict[str, float]) -> None:
    with pytest.raises(DetectorError):
        MAPPING.apply(features)


def test_a_negative_slope_is_no_cause() -> None:
    with pytest.raises(ValueError, match="slope"):
        replace(FIRST, slope=-1.0)
