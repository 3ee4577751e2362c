"""Banks: what they hold, and that their beginnings are banks as well."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from detector.base.errors import ParametersError
from detector.probing.banks import BANKS, affordable, bank
from detector.probing.filters import PhotoFilter
from detector.probing.kind import Family
from detector.probing.probe import Probe


@pytest.mark.parametrize(
    ("name", "filters", "colours", "polygons", "strengths"), [("standard", 10, 16, 28, 2), ("wide", 20, 48, 96, 4)]
)
def test_banks_hold_what_they_promise(name: str, filters: int, colours: int, polygons: int, strengths: int) -> None:
    probes = BANKS[name]
    assert len(set(probes)) == len(probes)
    families = Counter(probe.family for probe in probes)
    assert (families[Family.FILTER], families[Family.COLOUR], families[Family.POLYGON]) == (filters, colours, polygons)
    by_filter = Counter(dict(probe.parameters)["filter"] for probe in probes if probe.kind == "photo_filter")
    assert by_filter == dict.fromkeys(PhotoFilter, strengths)
    assert {probe.kind for probe in probes if probe.family is Family.CONTROL} == {"grey", "noise", "inversion", "blur"}


@pytest.mark.parametrize("name", BANKS)
def test_polygons_have_many_colours_shapes_and_sizes(name: str) -> None:
    values = [dict(probe.parameters) for probe in BANKS[name] if probe.kind == "polygon"]
    colours = {(one["red"], one["green"], one["blue"]) for one in values}
    named = {(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255)}
    assert named | {(255, 255, 255), (0, 0, 0), (128, 128, 128)} < colours
    assert len(colours) >= len(values) / 2
    assert len({one["sides"] for one in values}) >= 5
    assert len({one["size"] for one in values}) >= 3
    first = [(one["red"], one["green"], one["blue"]) for one in values[:9]]
    assert len(set(first)) == 9


@pytest.mark.parametrize("name", BANKS)
def test_beginnings_of_a_bank_have_every_family(name: str) -> None:
    for length in (4, 8, 12, 16):
        families = Counter(probe.family for probe in bank(name, length))
        assert set(families.values()) == {length // 4}
    kinds = {dict(probe.parameters)["filter"] for probe in bank(name, 20) if probe.kind == "photo_filter"}
    assert kinds == set(PhotoFilter)


@pytest.mark.parametrize("name", BANKS)
def test_every_probe_changes_images_and_none_wipes_them_out(name: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 48, 48)).astype(np.float32) / np.float32(255)
    for probe in BANKS[name]:
        changed = probe(images)
        assert np.abs(changed - images).mean() > 0.001, probe
        assert changed.std() > 0.03, probe
        assert Probe.from_document(probe.to_document()) == probe


def test_an_unknown_bank_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(ParametersError, match="standard, wide"):
        bank("tiny")


def test_what_is_affordable_is_a_beginning() -> None:
    probes = BANKS["standard"]
    assert affordable(probes, 1.0, 0.1) == probes[:10]
    assert affordable(probes, 0.05, 0.1) == ()
    assert affordable(probes, -1.0, 0.1) == ()
    assert affordable(probes, 1000.0, 0.1) == probes
    assert affordable(probes, 1.0, 0.0) == probes
