"""Every number that a shipped signal reads has a name in plain words, and no two of a bundle have the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.architectures import ARCHITECTURES
from detector.mapping.bundles import load_parameters
from detector.report.words import plain_name
from detector.signals.features import ModelFeature, VariantFeature
from detector.signals.registry import SIGNALS, ModelSignal
from tests.mapping.test_parameters import THETA

SHIPPED = Path(__file__).parents[2] / "learned_params"
MODEL_FEATURES = [
    ModelFeature(f"{signal.name}_{number}", signal.name, number)
    for signal in SIGNALS
    if isinstance(signal, ModelSignal)
    for number in signal.numbers
]


def test_names_of_numbers_are_plain_and_different() -> None:
    names = [plain_name(feature, ()) for feature in MODEL_FEATURES]
    assert len(set(names)) == len(names)
    assert not any("_" in name for name in names)
    assert not any(
        name == f"{one.signal} {one.number}".replace("_", " ") for name, one in zip(names, MODEL_FEATURES, strict=True)
    )


def test_names_of_variants_say_what_was_done() -> None:
    mean, one = (VariantFeature("x", "margin", 0, of) for of in ("mean", 1))
    assert plain_name(mean, [THETA]) == "lead of the true class, after Trim in late layers (trim_k 1.5), mean"
    assert plain_name(one, [THETA]).endswith("variant 2 of 3")


def test_what_has_no_words_is_called_by_its_name() -> None:
    assert plain_name(ModelFeature("x", "toy_signal", "steep_ness"), ()) == "toy signal steep ness"


@pytest.mark.parametrize("bundle", ["small", "nist-round2"])
def test_names_tell_the_features_of_a_bundle_apart(bundle: str) -> None:
    found = [load_parameters(SHIPPED, bundle, name) for name in ARCHITECTURES]
    for configuration in [one for parameters in found if parameters for one in parameters.configurations]:
        names = [plain_name(feature, configuration.thetas) for feature in configuration.inputs]
        assert len(set(names)) == len(names)
